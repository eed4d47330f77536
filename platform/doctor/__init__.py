"""Looks over an installation from the inside and says how to mend what is wrong (`dialtrace doctor`)."""
