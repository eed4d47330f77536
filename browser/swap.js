window.dialtrace=0;
