"use strict";
// The NOC page: asks /v1/noc every five seconds and shows it. No library, no other file, nothing kept but the key, in this
// tab alone. Every text goes in as text, so that nothing that a node or a tenant is called can become markup.
(() => {
  const EVERY_MS = 5000, WITHIN_MS = 8000, PLACE = "dialtrace-noc-key", SVG = "http://www.w3.org/2000/svg";
  const find = (id) => document.getElementById(id);
  let key = sessionStorage.getItem(PLACE) || "", csrf = "", timer = 0, showing = false;

  const make = (tag, text, look) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (look) element.className = look;
    return element;
  };
  const put = (element, text, look = "") => {
    if (element.textContent !== text) element.textContent = text;
    if (element.className !== look) element.className = look;
  };
  const percent = (share) => share === null ? "–" : `${(100 * share).toFixed(1)} %`;
  const rate = (value) => value.toFixed(value < 10 ? 2 : 1);
  const clock = (text) => new Date(text).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});
  const lasting = (seconds) => seconds < 90 ? `${Math.round(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min`
    : `${(seconds / 3600).toFixed(1)} h`;
  const size = (bytes) => bytes === null || bytes === undefined ? "–" : bytes < 1e9 ? `${(bytes / 1e6).toFixed(0)} MB`
    : `${(bytes / 1e9).toFixed(1)} GB`;

  async function ask(path, options = {}) {
    const headers = {Accept: "application/json", ...options.headers};
    if (key) headers.Authorization = `Bearer ${key}`;
    const answer = await fetch(path, {...options, headers, signal: AbortSignal.timeout(WITHIN_MS)});
    const document = (answer.headers.get("Content-Type") || "").includes("json") ? await answer.json() : null;
    if (!answer.ok) {
      const error = new Error(document ? document.detail || document.title : `HTTP ${answer.status}`);
      error.status = answer.status;
      throw error;
    }
    return document;
  }

  function leave(why) {
    clearTimeout(timer);
    key = csrf = "";
    sessionStorage.removeItem(PLACE);
    showing = false;
    find("page").hidden = true;
    find("enter").hidden = false;
    find("leave").hidden = true;
    put(find("state"), "Nobody has signed in.");
    find("refused").textContent = why || "";
    find("key").value = "";
    find("key").focus();
  }

  // Who signs in while the page still waits for its first answer is told of his own key, not of that answer.
  let looks = 0;

  async function look() {
    clearTimeout(timer);
    const own = ++looks;
    try {
      const seen = await ask("/v1/noc");
      if (own !== looks) return;
      show(seen);
    } catch (error) {
      if (own !== looks) return;
      if (error.status === 401 || error.status === 403) {
        leave(key ? `The key was refused: ${error.message}` : "");
        return;
      }
      put(find("state"), `No answer: ${error.message}. What is shown is old; asking again.`, "bad");
    }
    timer = setTimeout(look, EVERY_MS);
  }

  function show(seen) {
    if (!showing) {
      showing = true;
      find("enter").hidden = true;
      find("page").hidden = false;
      find("leave").hidden = !key;
    }
    const missing = Object.keys(seen.missing);
    put(find("state"), missing.length ? `Cannot be read: ${missing.map((name) => `${name} (${seen.missing[name]})`).join(", ")}`
      : "Up to date.", missing.length ? "bad" : "");
    put(find("at"), `At ${clock(seen.at)}`);
    showNow(seen);
    showAlerts(seen);
    showNodes(seen.nodes, new Date(seen.at));
    showDay(seen.day);
    showPools(seen.pools);
    showBacklog(seen);
  }

  // Figures are made once and then only change their text.
  function figures(list, rows) {
    for (const [name, text, look] of rows) {
      let box = [...list.children].find((one) => one.dataset.name === name);
      if (!box) {
        box = make("div");
        box.dataset.name = name;
        box.append(make("dt", name), make("dd"));
        list.append(box);
      }
      put(box.lastChild, text, look || "");
    }
  }

  function showNow(seen) {
    const lately = seen.lately, standing = seen.standing, nodes = seen.nodes || [];
    const up = nodes.filter((one) => one.node.state === "up" && !one.is_stale).length;
    const calls = standing ? Object.values(standing.by_state).reduce((sum, one) => sum + one, 0) : null;
    figures(find("now"), [
      ["Live calls", calls === null ? "–" : String(calls)],
      ["Calls/s, last minute", rate(nodes.reduce((sum, one) => sum + one.calls_per_s, 0))],
      ["Calls/s, 15 min", lately ? rate(lately.calls_per_s) : "–"],
      ["ASR, 15 min", lately ? percent(lately.asr) : "–"],
      ["NER, 15 min", lately ? percent(lately.ner) : "–", lately && lately.ner !== null && lately.ner < 0.9 ? "bad" : ""],
      ["ACD, 15 min", lately && lately.acd_s !== null ? lasting(lately.acd_s) : "–"],
      ["Nodes up", seen.nodes ? `${up} of ${nodes.length}` : "–", up < nodes.length ? "warn" : "good"],
      ["Waiting in queues", standing ? String(standing.waiting + standing.offered) : "–"],
    ]);
  }

  function showAlerts(seen) {
    const box = find("alerts"), text = JSON.stringify([seen.alerts, seen.knows_alerts]);
    if (box.dataset.shown === text) return;
    box.dataset.shown = text;
    if (!seen.alerts) {
      box.replaceChildren(make("p", seen.knows_alerts ? "Prometheus does not answer: nobody knows which alerts stand."
        : "No Prometheus is known (DIALTRACE_PROMETHEUS_URL): alerts are not shown here.", seen.knows_alerts ? "bad" : "soft"));
      return;
    }
    const found = [...seen.alerts].sort((one, other) => one.severity.localeCompare(other.severity));
    box.replaceChildren(...(found.length ? found.map((alert) => {
      const card = make("div", undefined, alert.severity === "page" ? "alert page" : "alert");
      card.append(make("strong", `${alert.severity === "page" ? "Page" : "Ticket"}: ${alert.name}`), make("span", alert.summary),
        make("br"), make("span", `since ${clock(alert.since)}; ${alert.runbook}`, "soft"));
      return card;
    }) : [make("p", "None stands.", "good")]));
  }

  const LOOKS = {up: "good", down: "bad", unknown: "bad", draining: "warn", drained: "warn"};

  function showNodes(nodes, at) {
    const body = find("nodes");
    if (nodes === null) return;
    const names = new Set(nodes.map((one) => one.node.name));
    for (const row of [...body.children]) if (!names.has(row.dataset.node)) row.remove();
    for (const one of nodes) {
      const node = one.node, row = rowOf(body, node.name), waits = one.backlog;
      const full = node.max_sessions ? node.sessions / node.max_sessions : 0;
      const state = one.is_stale ? `${node.state}, silent` : node.state;
      const held = Object.entries(node.waits || {}).map(([what, count]) => `${what}: ${count}`).join(", ");
      put(row.cells[1], held ? `${state} (holds ${held})` : state, `wrap ${one.is_stale ? "bad" : LOOKS[node.state] || ""}`);
      put(row.cells[2], node.sessions === null ? "–" : `${node.sessions} of ${node.max_sessions ?? "–"}`, full > 0.8 ? "warn" : "");
      put(row.cells[3], String(one.live_calls));
      put(row.cells[4], rate(one.calls_per_s));
      put(row.cells[5], waits.cdr_files === null ? "–" : `${waits.cdr_files}, oldest ${lasting(waits.cdr_oldest_s || 0)}`,
        waits.cdr_oldest_s > 120 ? "bad" : "");
      put(row.cells[6], waits.recordings_due === null ? "–" : String(waits.recordings_due));
      const free = waits.disk_size_bytes ? waits.disk_free_bytes / waits.disk_size_bytes : 1;
      put(row.cells[7], size(waits.disk_free_bytes), free < 0.1 ? "bad" : free < 0.2 ? "warn" : "");
      put(row.cells[8], node.last_seen_at ? `${lasting(Math.max(0, (at - new Date(node.last_seen_at)) / 1000))} ago` : "never");
      const button = row.cells[9].firstChild, drains = node.drain_asked_at !== null;
      button.dataset.deed = drains ? "undrain" : "drain";
      put(button, drains ? "Undrain" : "Drain", "plain");
      const label = `${drains ? "Undrain" : "Drain"} ${node.name}`;
      if (button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
    }
  }

  function rowOf(body, name) {
    let row = [...body.children].find((one) => one.dataset.node === name);
    if (row) return row;
    row = make("tr");
    row.dataset.node = name;
    const head = make("th", name);
    head.scope = "row";
    row.append(head, ...Array.from({length: 9}, () => make("td")));
    const button = make("button", "Drain", "plain");
    button.type = "button";
    button.addEventListener("click", () => confirm(name, button));
    row.cells[9].append(button);
    const after = [...body.children].find((one) => one.dataset.node > name);
    body.insertBefore(row, after || null);
    return row;
  }

  const WORDS = {
    drain: "It takes no new call: the edge and carriers try the other nodes. Calls that stand go on to their end. It stays so until it is undrained.",
    undrain: "It takes calls again as soon as its monitor has told the switch.",
  };

  function confirm(name, button) {
    const deed = button.dataset.deed, dialog = find("ask"), word = deed === "drain" ? "Drain" : "Undrain";
    find("ask-title").textContent = `${word} ${name}?`;
    find("ask-text").textContent = WORDS[deed];
    find("ask-yes").textContent = `${word} ${name}`;
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => {
      button.focus();
      if (dialog.returnValue === "yes") carryOut(name, deed, button);
    }, {once: true});
    dialog.showModal();
    find("ask-no").focus();
  }

  async function carryOut(name, deed, button) {
    button.disabled = true;
    try {
      const headers = {"Idempotency-Key": crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`};
      if (!key) {
        csrf = csrf || (await ask("/v1/session")).csrf_token;
        headers["X-CSRF-Token"] = csrf;
      }
      await ask(`/v1/nodes/${encodeURIComponent(name)}/${deed}`, {method: "POST", headers});
      await look();
    } catch (error) {
      put(find("state"), `${name} was not ${deed}ed: ${error.message}`, "bad");
    } finally {
      button.disabled = false;
      button.focus();
    }
  }

  function showDay(day) {
    curve(find("cps-curve"), day.map((one) => one.calls_per_s), day, rate, "Calls a second");
    curve(find("asr-curve"), day.map((one) => one.asr), day, percent, "ASR", 1);
    const rows = day.filter((one, index) => index % 6 === 0).map((one, index) => {
      const hour = day.slice(6 * index, 6 * index + 6), mean = (name) => {
        const known = hour.map((part) => part[name]).filter((value) => value !== null);
        return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
      };
      const row = make("tr"), head = make("th", clock(one.begins_at)), acd = mean("acd_s");
      head.scope = "row";
      row.append(head, make("td", rate(mean("calls_per_s"))), make("td", percent(mean("asr"))), make("td", percent(mean("ner"))),
        make("td", acd === null ? "–" : lasting(acd)));
      return row;
    });
    find("day").replaceChildren(...rows);
  }

  function drawn(tag, values, text) {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function curve(box, values, day, tell, name, most) {
    const known = values.filter((one) => one !== null), top = most || Math.max(0.1, ...known) * 1.1;
    const left = 52, width = 640, bottom = 140, height = 128;
    const x = (index) => left + (width - left - 8) * index / Math.max(1, values.length - 1), y = (value) => bottom - height * value / top;
    const last = known.length ? tell(known[known.length - 1]) : "nothing yet", peak = known.length ? tell(Math.max(...known)) : "nothing yet";
    const picture = drawn("svg", {viewBox: `0 0 ${width} 165`, role: "img", "aria-label": `${name}: ${last} at the end, ${peak} at most`});
    for (const share of [0, 0.5, 1]) {
      picture.append(drawn("line", {class: "grid", x1: left, x2: width - 8, y1: y(share * top), y2: y(share * top)}),
        drawn("text", {x: left - 6, y: y(share * top) + 4, "text-anchor": "end"}, tell(share * top)));
    }
    for (let index = 0; index < day.length; index += 36) {
      picture.append(drawn("text", {x: x(index), y: 158, "text-anchor": index ? "middle" : "start"},
        new Date(day[index].begins_at).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", hourCycle: "h23"})));
    }
    let path = "", down = false;
    values.forEach((value, index) => {
      if (value === null) { down = false; return; }
      // A value between two gaps would be no line at all: it gets a short one.
      path += down ? `L${x(index).toFixed(1)} ${y(value).toFixed(1)}` : `M${(x(index) - 1).toFixed(1)} ${y(value).toFixed(1)}h1`;
      down = true;
    });
    picture.append(drawn("path", {class: "curve", d: path}));
    box.replaceChildren(picture);
  }

  function tableOf(caption, heads, rows) {
    const table = make("table"), head = make("tr"), body = make("tbody");
    table.append(make("caption", caption), make("thead"), body);
    for (const one of heads) {
      const cell = make("th", one);
      cell.scope = "col";
      head.append(cell);
    }
    table.tHead.append(head);
    for (const cells of rows) {
      const row = make("tr");
      cells.forEach(([text, look], index) => {
        const cell = make(index ? "td" : "th", text, look);
        if (!index) cell.scope = "row";
        row.append(cell);
      });
      body.append(row);
    }
    const region = make("div", undefined, "scroll");
    region.tabIndex = 0;
    region.setAttribute("role", "region");
    region.setAttribute("aria-label", caption);
    region.append(table);
    return region;
  }

  function changed(box, value) {
    const text = JSON.stringify(value);
    if (box.dataset.shown === text) return false;
    box.dataset.shown = text;
    return true;
  }

  function showPools(pools) {
    const box = find("pools");
    if (!changed(box, pools && [pools.pools, pools.worst])) return;
    if (!pools) box.replaceChildren(make("p", "Whoever looks after the pools has not spoken yet.", "soft"));
    else if (!pools.worst.length) box.replaceChildren(make("p", `None of ${pools.pools} open pools lost a visit within 15 minutes.`, "good"));
    else box.replaceChildren(tableOf("Visits without a number of their own, last 15 minutes", ["Pool", "Visits", "Lost", "Share", "Target"],
      pools.worst.map((one) => {
        const loss = one.visits ? one.lost / one.visits : 0;
        return [[one.name, "wrap"], [String(one.visits)], [String(one.lost)], [percent(loss), loss > one.loss_target ? "bad" : "warn"],
          [percent(one.loss_target)]];
      })));
  }

  function showBacklog(seen) {
    const {backlog, webhooks, jobs} = seen;
    figures(find("backlog"), [
      ["Recordings on their way", backlog ? String(backlog.recordings_pending) : "–"],
      ["Events without position", backlog ? String(backlog.events_unsequenced) : "–", backlog && backlog.events_unsequenced > 1000 ? "bad" : ""],
      ["Webhook messages", webhooks ? String(webhooks.waiting + webhooks.blocked + webhooks.sending) : "–"],
      ["Oldest of them", webhooks ? lasting(webhooks.oldest_s) : "–", webhooks && webhooks.oldest_s > 900 ? "warn" : ""],
    ]);
    const box = find("jobs"), told = (jobs || []).filter((one) => one.waiting || one.running || one.failed);
    if (!changed(box, [jobs === null, told.map(({name, waiting, running, failed}) => [name, waiting, running, failed])])) return;
    if (jobs === null) box.replaceChildren(make("p", "The queue of jobs cannot be read.", "bad"));
    else if (!told.length) box.replaceChildren(make("p", "No job is due, runs, or was given up.", "good"));
    else box.replaceChildren(tableOf("Jobs", ["Job", "Due", "Run", "Given up"], told.map((one) => [[one.name], [String(one.waiting)],
      [String(one.running)], [String(one.failed), one.failed ? "bad" : ""]])));
  }

  find("enter").addEventListener("submit", (event) => {
    event.preventDefault();
    find("refused").textContent = "";
    key = find("key").value.trim();
    sessionStorage.setItem(PLACE, key);
    look();
  });
  find("leave").addEventListener("click", () => leave());
  look();
})();
