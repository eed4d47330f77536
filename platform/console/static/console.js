// What pages are a little better with. Each works without.
"use strict";

// The menu stands open where there is room beside it.
const narrow = matchMedia("(max-width: 56rem)");
const fit = () => { const menu = document.getElementById("menu"); if (menu) menu.open = !narrow.matches; };
narrow.addEventListener("change", fit);
fit();

// A letter's link carries its token behind `#`, which is sent to nobody: it goes into the form, and out of the address.
for (const place of document.querySelectorAll("[data-token]")) {
  const token = location.hash.slice(1), input = place.querySelector("input");
  // Choosing a look leads back here, and a browser takes what stands behind `#` along.
  for (const look of document.querySelectorAll(".look")) {
    look.addEventListener("submit", () => { look.action = `/console/look#${input.value.split("#").pop()}`; });
  }
  if (!token) continue;
  input.value = token;
  place.hidden = true;
  history.replaceState(null, "", location.pathname);
}

// Asks before what cannot be taken back.
document.addEventListener("submit", (event) => {
  const sure = event.submitter?.dataset.sure;
  if (sure && !confirm(sure)) event.preventDefault();
});

// The flow editor: what only shows another page again is put in place, and the page stays where it is.
document.addEventListener("submit", async (event) => {
  const form = event.target, deed = event.submitter?.value ?? "";
  if (event.defaultPrevented || !form.matches("[data-editor]") || /^keep/.test(deed)) return;
  event.preventDefault();
  const sent = new FormData(form, event.submitter);
  let answer = null;
  try {
    answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(sent), headers: { Accept: "text/html" } });
  } catch { /* Sent as any form is, below. */ }
  if (!answer || !answer.ok || answer.redirected) { form.submit(); return; }
  const read = new DOMParser().parseFromString(await answer.text(), "text/html"), main = document.getElementById("main");
  main.replaceChildren(...read.getElementById("main").childNodes);
  const next = main.querySelector("[autofocus]") ?? main;
  next.focus();
});

// A second click sends nothing again. The button is switched off after the form was read: its own value goes along.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || event.defaultPrevented || event.target.method !== "post") return;
  setTimeout(() => { button.disabled = true; });
});
// A page that comes back as it was left can be sent again.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form button:disabled")) button.disabled = false;
});

// A choice that leads on is taken at once.
for (const chosen of document.querySelectorAll("select[data-go]")) {
  chosen.addEventListener("change", () => chosen.form.requestSubmit());
}
for (const form of document.querySelectorAll(".look")) {
  for (const one of form.querySelectorAll("select")) one.addEventListener("change", () => form.requestSubmit());
  form.querySelector("button").classList.add("sr");
}

// A part of a page that is asked for anew, every so many seconds, while somebody looks at it.
for (const part of document.querySelectorAll("[data-anew]")) {
  const seconds = Number(part.dataset.every) || 5;
  const anew = async () => {
    if (document.visibilityState === "visible" && !part.contains(document.activeElement)) {
      try {
        const answer = await fetch(part.dataset.anew, { headers: { Accept: "text/html" } });
        if (answer.ok && !answer.redirected) {
          const read = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
          if (read) part.replaceChildren(...read.childNodes);
        }
      } catch { /* The next round asks again. */ }
    }
    setTimeout(anew, seconds * 1000);
  };
  setTimeout(anew, seconds * 1000);
}

// The player: where it is in the waveform, a click goes there, one side alone on request.
for (const player of document.querySelectorAll("[data-player]")) {
  const audio = player.querySelector("audio");
  const svg = player.querySelector("svg");
  const gone = svg?.querySelector(".gone");
  if (svg && gone) {
    const width = svg.viewBox.baseVal.width;
    audio.addEventListener("timeupdate", () => {
      if (audio.duration) gone.setAttribute("width", (width * audio.currentTime / audio.duration).toFixed(1));
    });
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect();
      if (audio.duration) audio.currentTime = audio.duration * (event.clientX - box.left) / box.width;
    });
  }
  const sides = player.querySelector("[data-sides]");
  if (!sides || !window.AudioContext) continue;
  sides.hidden = false;
  let gains = null;
  const wire = () => {
    if (gains) return;
    const context = new AudioContext(), source = context.createMediaElementSource(audio);
    const split = context.createChannelSplitter(2), merge = context.createGain();
    gains = [context.createGain(), context.createGain()];
    source.connect(split);
    gains.forEach((gain, side) => { split.connect(gain, side); gain.connect(merge); });
    merge.connect(context.destination);
    audio.addEventListener("play", () => context.resume());
    context.resume();
  };
  for (const one of sides.querySelectorAll("input")) {
    one.addEventListener("change", () => {
      wire();
      gains[0].gain.value = one.value === "target" ? 0 : 1;
      gains[1].gain.value = one.value === "caller" ? 0 : 1;
    });
  }
}

// Copies what stands in a field or block.
for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const from = document.getElementById(button.dataset.copies);
    await navigator.clipboard.writeText(from.value ?? from.textContent);
    button.textContent = button.dataset.done;
  });
}
