/*! Dialtrace swap.js 1.2.0, Apache-2.0 */
// Shows each visitor a telephone number of their own. First party, no dependency, nothing stored before consent.
// What it asks and is told: docs/swap-js.md. Whatever goes wrong, the page stays as it is.
(function (w, d) {
  "use strict";
  var script = d.currentScript, asked = w.dialtrace || {};
  if (!script || asked.consent && asked.refresh) return; // here already
  var data = script.dataset, api = (data.api || script.src.split("/t/")[0]) + "/t/" + data.site + "/";
  var VISIBLE_MS = 20000, HIDDEN_MS = 60000, PATIENT_MS = 5000;
  var SKIPPED = "script,style,noscript,template,textarea,[contenteditable],[data-dialtrace=off]";
  var SEPARATORS = "[\\s().\\-\\u2010-\\u2015/]*";
  var TEL = 'a[href^="tel:"]';
  var LETTERS = "||abc|def|ghi|jkl|mno|pqrs|tuv|wxyz".split("|");
  var consent = word(asked.consent), known = {}, places = [], told = {}, until = 0, here = "", beatAt = 0, lost = false, codeOf, code;
  var seen = new WeakMap(), watched = new WeakSet(), began = Date.now(), waiting, asking, timer, last = "";
  var preview = (/[?&]dialtrace_preview=([^&#]+)/.exec(location.search) || [])[1];

  function word(yes) { return yes === true ? "given" : yes === false ? "refused" : "not_asked"; }
  function attempt(f) { try { return f(); } catch (e) { /* the page goes on */ } }
  function call(name, value) { attempt(function () { asked[name](value); }); } // or the page has none

  // --- What is kept in the browser: only where the answer says for how many days. ---

  function recall() {
    if (consent == "refused") return;
    var found = /(?:^|; )_dt=([\w-]+)\.([\w-]+)/.exec(d.cookie);
    if (!found) return;
    known = { visitor: found[1], visit: found[2] };
    var kept = attempt(function () { return JSON.parse(sessionStorage._dt); });
    if (!kept) return;
    preview = preview || kept.preview;
    if (kept.until > Date.now() && kept.told.visit == known.visit) take(kept.told, kept.until);
  }

  function keep() {
    var days = told.keep_days;
    if (days || /_dt=/.test(d.cookie)) d.cookie = "_dt=" + (days ? told.visitor + "." + told.visit : "") +
      ";path=/;samesite=lax;max-age=" + days * 86400 + (/\./.test(told.domain) ? ";domain=" + told.domain : "") +
      (location.protocol == "https:" ? ";secure" : "");
    attempt(function () {
      if (days) sessionStorage._dt = JSON.stringify({ told: told, until: until, preview: preview });
      else delete sessionStorage._dt;
    });
  }

  // --- What is asked and told. Bodies go as text, so that no browser asks first whether it may. ---

  // Who the visitor is to analytics, only where he consents: what others' cookies say, whenever they have come to be.
  function said(body) {
    if (consent == "given") body.ids = d.cookie.match(/_(ga|ym_uid)\w*=[^;]+/g);
    return JSON.stringify(body);
  }

  function post(what, body) {
    var stop = w.AbortController && new AbortController();
    setTimeout(function () { if (stop) stop.abort(); }, PATIENT_MS);
    return fetch(api + what, { method: "POST", body: said(body), keepalive: true, signal: stop && stop.signal })
      .then(function (answer) { if (!answer.ok) throw answer.status; return answer.status == 200 && answer.json(); });
  }

  function tell(what, body) {
    body.visit = told.visit;
    if (body.visit && navigator.sendBeacon) navigator.sendBeacon(api + what, said(body));
  }

  function ask() {
    if (asking) return;
    var from = here || (known.visit && again() ? location.href : d.referrer), then = consent;
    here = location.href;
    asking = post("visit", {
      page: here.slice(0, 4000), referrer: from.slice(0, 4000), consent: consent, visitor: known.visitor,
      visit: known.visit, preview: preview && decodeURIComponent(preview), touch: navigator.maxTouchPoints | 0,
      time_zone: attempt(function () { return Intl.DateTimeFormat().resolvedOptions().timeZone; })
    }).then(function (answer) {
      asking = 0;
      if (consent != then) return ask();
      known = answer;
      take(answer, Date.now() + answer.hold_s * 1000);
      keep();
      beatLater();
    }).catch(function (error) {
      asking = 0;
      // Its number may be somebody else's by now.
      if (Date.now() > until) { lost = true; scan(d); }
      call("onerror", error);
      beatLater();
    });
  }

  // A page that is loaded anew was not led to by whoever led to it first.
  function again() {
    return attempt(function () { return performance.getEntriesByType("navigation")[0].type != "navigate"; });
  }

  function beat() {
    if (Date.now() > until || !told.visit) return ask();
    beatAt = Date.now();
    beatLater();
    post("beat", { visit: told.visit }).then(function () {
      until = Date.now() + told.hold_s * 1000;
      if (told.keep_days) keep();
    }).catch(function () { /* the next one comes */ });
  }

  function beatLater() {
    clearTimeout(timer);
    if (told.visit || !told.places) timer = setTimeout(beat, d.hidden ? HIDDEN_MS : VISIBLE_MS);
  }

  function take(answer, end) {
    told = answer;
    until = end;
    lost = false;
    places = answer.places.map(function (place) {
      return { of: place, finders: place.numbers.map(finder) };
    });
    scan(d);
  }

  // --- What is shown. ---

  function parts(number) { return number.slice(1).split(" "); }

  // Any spelling of a number, in letters too (1-800-FLOWERS): what stands before the national number is kept as it is.
  function finder(number) {
    var split = parts(number);
    function spread(digits, letters) {
      return digits.split("").map(function (digit) { return "[" + digit + (letters ? LETTERS[digit] : "") + "]"; }).join(SEPARATORS);
    }
    return {
      country: split[0], digits: split[1].length,
      text: new RegExp("((?:(?:\\+|00|011|810)" + SEPARATORS + ")?" + spread(split[0]) + SEPARATORS + "(?:\\(?0\\)?" + SEPARATORS +
        ")?|\\(?[08]" + SEPARATORS + "|\\()?(" + spread(split[1], 1) + ")(?!\\d)([a-z]*)", "gi")
    };
  }

  // What a place shows on this page: the first choice whose pages fit; nothing: the real number.
  function choice(place) {
    var found = place.of.shows.find(function (show) { return !show.pages || new RegExp(show.pages).test(location.pathname); });
    if (found && found.ask && here != location.href) ask();
    return found && found.number && !lost ? found : null;
  }

  function swapped(text, place) {
    var show = place.now;
    if (!show) return text;
    var to = parts(show.number);
    place.finders.forEach(function (find) {
      text = text.replace(find.text, function (all, before, body, rest, at, whole) {
        if (/[\d+]/.test(whole.charAt(at - 1))) return all;
        if (/\D$/.test(body)) rest = ""; // a word that is longer than its number
        if (!place.of.as_found || to[0] != find.country || to[1].length != find.digits) return show.text + rest;
        var next = 0;
        return (before || "") + body.replace(/[\da-z]/gi, function () { return to[1].charAt(next++); }) + rest;
      });
    });
    return text;
  }

  // What stood there before us; whoever else has changed it since has the last word.
  function original(node, now) { var was = seen.get(node); return was && was.now == now ? was.was : now; }

  function width(node) {
    var range = d.createRange();
    range.selectNodeContents(node);
    return range.getBoundingClientRect().width;
  }

  function write(node, text) {
    if (node.data == text) return;
    var box = node.parentElement, was = original(node, node.data), before = seen.get(node) || {};
    if (before.full) box.style.letterSpacing = "";
    var full = told.keep_width && box.childNodes.length == 1 ? before.was == was && before.full || width(node) : 0;
    node.data = text;
    if (full && text != was) {
      var off = (full - width(node)) / text.length;
      if (off * off > 1e-4 /* a hundredth of a pixel */) box.style.letterSpacing = (parseFloat(w.getComputedStyle(box).letterSpacing) || 0) + off + "px";
    }
    seen.set(node, { was: was, now: text, full: full });
  }

  // A framework that takes over a page that a server has made must find it as the server has made it.
  function isHydrating(box) {
    if (!(w.__NEXT_DATA__ || w.__next_f || asked.hydrates) || Date.now() - began > PATIENT_MS) return false;
    if (/__reactFiber\$/.test(Object.keys(box))) return false;
    if (!waiting) waiting = setTimeout(function () { waiting = 0; scan(d); }, 50);
    return true;
  }

  // Text that belongs together, in however many pieces it stands.
  function group(nodes, place) {
    var texts = nodes.map(function (node) { return original(node, node.data); }), all = texts.join(""), at = 0;
    if (!/\d\D{0,4}\d/.test(all)) return;
    var after = swapped(all, place), same = after.length == all.length;
    nodes.forEach(function (node, index) {
      var end = at + texts[index].length;
      if (!isHydrating(node.parentElement)) write(node, same ? after.slice(at, end) : swapped(texts[index], place));
      at = end;
    });
  }

  function link(box, place) {
    var href = original(box, box.getAttribute("href")), number = attempt(function () { return decodeURIComponent(href.slice(4)); }) || "";
    var after = href;
    if (place.now && swapped(number, place) != number) after = "tel:" + place.now.number.replace(" ", "");
    if (isHydrating(box)) return;
    if (box.getAttribute("href") != after) box.setAttribute("href", after);
    seen.set(box, { was: href, now: after });
  }

  function textsIn(box) {
    var found = [], walker = d.createTreeWalker(box, 4), node;
    while ((node = walker.nextNode())) if (node.parentElement && !node.parentElement.closest(SKIPPED)) found.push(node);
    return found;
  }

  function each(root, selector, visit) {
    if (root.matches && root.matches(selector)) visit(root);
    root.querySelectorAll(selector).forEach(visit);
  }

  function look(root) {
    if (root.nodeType == 3 /* a text */) root = root.parentElement;
    if (!root || !root.querySelectorAll || root.closest && root.closest(SKIPPED)) return;
    places.forEach(function (place) {
      var where = place.of.selectors.join(","), inside = root.closest && where && root.closest(where);
      function links(box) {
        each(box, TEL, function (one) { if (!one.closest(SKIPPED)) { link(one, place); group(textsIn(one), place); } });
      }
      if (!where) {
        textsIn(root).forEach(function (node) { if (!node.parentElement.closest(TEL)) group([node], place); });
        links(root.closest && root.closest(TEL) || root);
      } else if (inside) { group(textsIn(inside), place); links(inside); }
      else each(root, where, function (box) { group(textsIn(box), place); links(box); });
    });
    if (told.iframes) each(root, "iframe", frame);
    if (told.shadow) each(root, "*", shade);
    each(root, "[data-dialtrace=code]", showCode);
  }

  // What an element keeps to itself; one that is not made yet is looked at when it is.
  function shade(box) {
    if (box.shadowRoot) scan(box.shadowRoot);
    else if (box.matches(":not(:defined)")) customElements.whenDefined(box.localName).then(function () { shade(box); });
  }

  // A code for the visit, where the page has a place for one: asked for once.
  function showCode(box) {
    if (!told.visit) return;
    if (codeOf != told.visit) code = post("code", { visit: codeOf = told.visit });
    code.then(function (answer) {
      var text = answer.code.replace(/\d{3}/, "$& ");
      if (box.textContent != text) box.textContent = text;
    }).catch(function () { /* the page goes on */ });
  }

  function frame(box) {
    function enter() { attempt(function () { if (box.contentDocument) scan(box.contentDocument); }); }
    if (!watched.has(box)) { watched.add(box); box.addEventListener("load", enter); }
    enter();
  }

  function scan(page) {
    places.forEach(function (place) { place.now = choice(place); });
    var top = page.documentElement || page.host && page;
    if (!top) return;
    look(top);
    if (!watched.has(page)) {
      watched.add(page);
      page.addEventListener("click", clicked, true);
      new MutationObserver(changed).observe(page, { childList: true, subtree: true, characterData: true, attributeFilter: ["href"] });
    }
    var shown = places.filter(function (place) { return place.now; }).map(function (place) {
      return { place: place.of.name, real: place.of.numbers[0].replace(" ", ""), number: place.now.number.replace(" ", "") };
    });
    if (JSON.stringify(shown) != last) { last = JSON.stringify(shown); call("onswap", shown); }
  }

  function changed(records) {
    if (route != location.pathname) { route = location.pathname; return scan(d); }
    records.forEach(function (record) {
      if (record.type == "childList") record.addedNodes.forEach(look);
      else look(record.target);
    });
  }
  var route = location.pathname;

  // --- What the page may call, and what happens to it. ---

  w.dialtrace = {
    consent: function (yes) { consent = word(yes); if (consent == "refused") { told.keep_days = 0; if (told.visit) keep(); } ask(); },
    refresh: function () { scan(d); },
    visit: function () { return told.visit; },
    numbers: function () { return last ? JSON.parse(last) : []; }
  };
  function clicked(event) {
    var box = event.target.closest && event.target.closest(TEL);
    if (box) tell("click", { number: box.getAttribute("href").slice(4).replace(/[^+\d]/g, "") });
  }
  d.addEventListener("visibilitychange", function () {
    if (!d.hidden && Date.now() - beatAt > VISIBLE_MS) beat(); else beatLater();
  });
  w.addEventListener("popstate", function () { scan(d); });
  w.addEventListener("pagehide", function () { tell("leave", {}); });
  w.addEventListener("pageshow", function (event) { if (event.persisted) ask(); });
  attempt(recall);
  ask();
})(window, document);
