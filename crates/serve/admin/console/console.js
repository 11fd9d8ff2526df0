"use strict";
// The console: one stream of server-sent events, drawn into the page. Text enters the page through
// textContent only, since names and reasons come from outside.

const $ = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const clock = (rfc3339) => new Date(rfc3339).toLocaleTimeString();
const number = (value) => (value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0));
const ms = (value) => (value == null ? "–" : `${number(value)} ms`);
// What is not sent, as a page of thousands would stop the browser each second.
const more = (n, what) => el("p", { class: "empty", text: `${whole.format(n)} more ${what}; find them by name above, or see api/overview` });
const whole = new Intl.NumberFormat("en");

function draw(svg, samples, series, filled) {
  const width = 240, height = 60, slots = 120;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const shown = samples.slice(-slots);
  const top = Math.max(1e-9, ...series.flatMap(([key]) => shown.map((s) => s[key])));
  const x = (i) => ((slots - shown.length + i) / (slots - 1)) * width;
  const y = (value) => height - 2 - (value / top) * (height - 6);
  const lines = series.map(([key, kind]) => {
    const points = shown.map((s, i) => `${x(i).toFixed(1)},${y(s[key]).toFixed(1)}`).join(" ");
    const node = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    node.setAttribute("points", points);
    node.setAttribute("class", kind);
    return node;
  });
  if (filled && shown.length > 1) {
    const area = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
    area.setAttribute("points", `${x(0)},${height} ${lines[0].getAttribute("points")} ${width},${height}`);
    area.setAttribute("class", "fill");
    lines.unshift(area);
  }
  svg.replaceChildren(...lines);
}

function traffic(samples) {
  const now = samples.at(-1);
  $("rate").textContent = now ? whole.format(now.requests) : "–";
  $("p50").textContent = now && now.requests ? number(now.p50_ms) : "–";
  $("p99").textContent = now && now.requests ? number(now.p99_ms) : "–";
  $("errors").textContent = now ? whole.format(now.errors) : "–";
  $("retries").textContent = now ? whole.format(now.retries) : "–";
  draw($("rate-chart"), samples, [["requests", "a"]], true);
  draw($("latency-chart"), samples, [["p50_ms", "a"], ["p99_ms", "b"]], false);
  draw($("error-chart"), samples, [["errors", "c"], ["retries", "b"]], false);
}

function endpoint(e) {
  const row = el("tr", { class: e.state === "down" ? "gone" : "" });
  const name = el("td", { class: "mono" }, e.address);
  if (e.instance && e.instance !== e.address) name.append(el("br"), el("small", { text: e.instance }));
  row.append(
    name,
    el("td", {}, el("span", { class: `pill ${e.state}`, text: e.state.replaceAll("_", " ") })),
    el("td", { class: "why", text: e.lease_s == null ? e.why : `${e.why}; lease ${e.lease_s} s` }),
    el("td", { class: "n", text: whole.format(e.in_flight) }),
    el("td", { class: "n", text: whole.format(e.requests) }),
    el("td", { class: "n", text: whole.format(e.failures) }),
    el("td", { class: "n", text: ms(e.latency_ms) }),
  );
  return row;
}

function service(s) {
  const head = el("tr");
  for (const [title, kind] of [["Endpoint", ""], ["State", ""], ["Why", ""], ["In flight", "n"], ["Requests", "n"], ["Failed attempts", "n"], ["Latency", "n"]]) {
    head.append(el("th", { class: kind, text: title }));
  }
  const table = el("table", {}, el("thead", {}, head), el("tbody", {}, ...s.endpoints.map(endpoint)));
  const box = el("div", { class: "service" }, el("h3", {}, s.name, el("small", { text: `${s.up} of ${s.known} up · ${s.source}` })));
  if (s.endpoints.length) box.append(el("div", { class: "scroll" }, table));
  if (s.known > s.endpoints.length) box.append(more(s.known - s.endpoints.length, "endpoints"));
  return box;
}

function route(r) {
  return el("tr", {},
    el("td", { text: r.name }), el("td", { class: "mono", text: r.matches }), el("td", { text: r.to }), el("td", { text: r.origin }),
    el("td", { class: "n", text: whole.format(r.requests) }), el("td", { class: "n", text: whole.format(r.errors) }),
    el("td", { class: "n", text: ms(r.p50_ms) }), el("td", { class: "n", text: ms(r.p99_ms) }));
}

const days = (seconds) => (seconds == null ? "none yet" : `${Math.floor(seconds / 86400)} days left`);

function certificate(c) {
  return el("tr", {}, el("td", { text: c.names.join(", ") }), el("td", { text: days(c.seconds_left) }), el("td", { class: "why", text: `listener ${c.listener}, ${c.file}` }));
}

function ordered(c) {
  return el("tr", {}, el("td", { text: c.name }), el("td", { text: days(c.seconds_left) }), el("td", { class: "why", text: `ordered: ${c.state}${c.why ? `; ${c.why}` : ""}` }));
}

function generation(g) {
  const item = el("li", {}, el("time", { text: clock(g.at) }), el("em", { text: `generation ${g.number}` }), g.cause);
  const lines = [...g.changes, ...g.refused.map((line) => `left out: ${line}`)];
  if (lines.length) item.append(el("ul", {}, ...lines.map((line) => el("li", { text: line }))));
  return item;
}

function overview(o) {
  $("version").textContent = `${o.version} · generation ${o.generation}`;
  $("parts").replaceChildren(...o.parts.map((p) => el("li", { class: p.ok ? "" : "bad", title: p.state }, p.name, el("small", { text: p.listen }))));
  const problems = $("problems");
  problems.hidden = o.problems.length === 0;
  problems.replaceChildren(...o.problems.map((text) => el("p", { text })));
  const warnings = $("warnings");
  warnings.hidden = o.warnings.length === 0;
  warnings.replaceChildren(...o.warnings.map((text) => el("p", { text })));
  traffic(o.traffic);
  $("services").replaceChildren(...(o.services.length ? [...o.services.map(service), ...(o.left_out.services ? [more(o.left_out.services, "services")] : [])] : [el("p", { class: "empty", text: $("find").value ? "No service contains this." : "No service is known yet. Register one, or add it to the configuration." })]));
  $("routes").tBodies[0].replaceChildren(...o.routes.map(route));
  $("more-routes").replaceChildren(...(o.left_out.routes ? [more(o.left_out.routes, "routes")] : []));
  $("certificates-section").hidden = !o.certificates.length && !o.ordered.length;
  $("certificates").tBodies[0].replaceChildren(...o.certificates.map(certificate), ...o.ordered.map(ordered));
  $("generations").replaceChildren(...o.generations.map(generation));
}

let newest = 0;
function event(e) {
  if (e.number <= newest) return; // sent again after a reconnect
  newest = e.number;
  const list = $("events");
  list.prepend(el("li", { class: "fresh" }, el("time", { text: clock(e.at) }), el("em", { text: e.part }), e.what));
  while (list.children.length > 200) list.lastChild.remove();
}

$("explain").addEventListener("submit", async (submit) => {
  submit.preventDefault();
  const form = new FormData(submit.target);
  const output = $("explained");
  output.hidden = false;
  try {
    const answer = await fetch(`api/explain?${new URLSearchParams(form)}`);
    const text = await answer.text();
    if (!answer.ok) { output.textContent = text; return; }
    const value = JSON.parse(text);
    output.textContent = value.text ?? JSON.stringify(value, null, 2);
  } catch (error) {
    output.textContent = `No answer: ${error.message}`;
  }
});

const link = $("link");
let live;
function watch() {
  live?.close();
  live = new EventSource(`api/live?${new URLSearchParams({ find: $("find").value })}`);
  live.onopen = () => { link.textContent = "live"; link.className = "link"; };
  live.onerror = () => { link.textContent = "no connection; trying again"; link.className = "link lost"; };
  live.addEventListener("overview", (message) => overview(JSON.parse(message.data)));
  live.addEventListener("event", (message) => event(JSON.parse(message.data)));
}
$("find").addEventListener("change", watch);
watch();
