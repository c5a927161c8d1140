// Three questions at a glance: how much drifts, is the model still right, is monitoring well.

import { byId, make, makeSvg, show } from "./dom.js";
import { ago, count, duration, number, plural, ratio, share } from "./format.js";
import { strongest } from "./lanes.js";

const STALE_SECONDS = 60;
const LONG_QUEUE = 10000;

export class Cards {
  constructor(openQuality) {
    this.element = byId("cards");
    this.element.addEventListener("click", (event) => {
      if (event.target.closest("[data-act=quality]")) openQuality();
    });
    this.rate = null;
  }

  update(overview, now) {
    this.measureRate(overview, now);
    show(this.element, drift(overview), quality(overview), health(overview, now, this.rate));
  }

  /** Rows per second, over at least five seconds. */
  measureRate(overview, now) {
    if (!this.before || overview.rows < this.before.rows) this.before = { rows: overview.rows, now };
    if (now - this.before.now < 5) return;
    this.rate = (overview.rows - this.before.rows) / (now - this.before.now);
    this.before = { rows: overview.rows, now };
  }
}

function card(title, state, figure, told, ...more) {
  return make("section", { className: `card ${state}` }, make("h2", {}, title),
    make("p", { className: "headline" }, figure), make("p", { className: "told" }, ...told), ...more);
}

function drift(overview) {
  const drifting = overview.signals.filter((signal) => signal.drifting.length);
  const groups = new Map();
  for (const { name, drifting: by } of overview.signals) {
    const group = name.includes(":") ? name.split(":")[0] : "signal";
    const [bad, all] = groups.get(group) ?? [0, 0];
    groups.set(group, [bad + (by.length ? 1 : 0), all + 1]);
  }
  const highest = Math.max(0, ...overview.signals.map((signal) => strongest(signal.ratio)[1]));
  const rows = [...groups].slice(0, 6).map(([group, [bad, all]]) =>
    make("li", { className: bad ? "bad" : "" }, make("span", {}, group), bars(bad, all),
      make("span", { className: "of" }, `${count(bad)} of ${count(all)}`)));
  return card("Drifting signals", drifting.length ? "bad" : "good",
    [make("b", {}, count(drifting.length)), ` of ${count(overview.signals.length)}`],
    [highest ? `largest statistic now ${ratio(highest)} its threshold` : "no statistic yet"],
    make("ul", { className: "groups" }, rows));
}

function bars(bad, all) {
  const width = 100;
  return makeSvg("svg", { viewBox: `0 0 ${width} 6`, preserveAspectRatio: "none", "aria-hidden": "true", class: "part" },
    makeSvg("rect", { class: "track", width, height: 6 }),
    makeSvg("rect", { class: "share", width: bad ? Math.max(2, (width * bad) / all) : 0, height: 6 }));
}

function quality(overview) {
  const { labels } = overview;
  const measured = labels.quality.accuracy ?? null;
  const reference = labels.reference.accuracy ?? null;
  const estimate = labels.estimated_accuracy;
  if (labels.quality.mae !== undefined) return regression(overview);
  if (measured === null && (estimate?.estimate ?? null) === null) {
    const why = Object.keys(labels.reference).length ? "no rows yet" : "the reference has no labels, so neither is known";
    return card("Is the model still right", "unknown", ["–"], [why]);
  }
  const falling = overview.signals.some(({ name, drifting }) => name.startsWith("performance:") && drifting.length);
  const less = reference !== null && estimate && estimate.high !== null && estimate.high < reference;
  const state = falling || labels.audit?.significant ? "bad" : less ? "warn" : "good";
  const told = [measured === null ? "estimated: no labels have come yet"
    : `measured on the latest ${plural(Math.min(labels.rows, labels.audit?.rows ?? labels.rows), "label")}`];
  return card("Is the model still right", state,
    [make("b", {}, share(measured ?? estimate.estimate)), " accuracy"], told,
    scale(measured, reference, estimate),
    make("ul", { className: "keys" },
      key("measured", share(measured), dot(8, 11)),
      estimate ? key("estimated", `${share(estimate.estimate)}  (${share(estimate.low)} to ${share(estimate.high)})`,
        bar(0, 16, 11), stroke("estimate", 8, 11, 5)) : null,
      key("reference", share(reference), stroke("reference", 8, 11, 11))),
    make("button", { type: "button", className: "quiet", "data-act": "quality", "data-focus": "quality" }, "Over time"));
}

function regression({ labels }) {
  return card("Is the model still right", "unknown",
    [make("b", {}, number(labels.quality.mae)), " mean absolute error"],
    [`reference ${number(labels.reference.mae)}; measured on ${plural(labels.rows, "label")}`],
    make("button", { type: "button", className: "quiet", "data-act": "quality", "data-focus": "quality" }, "Over time"));
}

/** A mark of the scale, drawn as it is there, with its name and value. */
function key(name, value, ...mark) {
  return make("li", {}, makeSvg("svg", { class: "mark", viewBox: "0 0 16 22", "aria-hidden": "true" }, mark),
    make("span", {}, name), make("b", {}, value));
}

const dot = (x, y) => makeSvg("circle", { class: "measured", cx: x, cy: y, r: 6 });
const bar = (x, width, y) => makeSvg("rect", { class: "interval", x, width, y: y - 5, height: 10, rx: 2 });
const stroke = (kind, x, y, half) => makeSvg("line", { class: kind, x1: x, x2: x, y1: y - half, y2: y + half });

/** Accuracies on one line: a dot measured, a solid line in its interval's bar estimated, a dashed one the reference's. */
function scale(measured, reference, estimate) {
  const known = [measured, reference, estimate?.low, estimate?.high].filter((value) => value !== null && value !== undefined);
  const low = Math.max(0, Math.floor(10 * Math.min(...known) - 0.5) / 10);
  const place = (value) => 4 + (292 * (value - low)) / (1 - low || 1);
  const parts = [makeSvg("line", { class: "track", x1: 4, x2: 296, y1: 14, y2: 14 })];
  if (estimate && estimate.low !== null) {
    parts.push(bar(place(estimate.low), Math.max(2, place(estimate.high) - place(estimate.low)), 14));
    parts.push(stroke("estimate", place(estimate.estimate), 14, 5));
  }
  if (reference !== null) parts.push(stroke("reference", place(reference), 14, 11));
  if (measured !== null) parts.push(dot(place(measured), 14));
  parts.push(makeSvg("text", { x: 2, y: 40 }, share(low).replace(".0", "")), makeSvg("text", { x: 298, y: 40, "text-anchor": "end" }, "100 %"));
  return makeSvg("svg", { class: "accuracy", viewBox: "0 0 300 42", role: "img",
    "aria-label": `Accuracy: measured ${share(measured)}, estimated ${share(estimate?.estimate)}, reference ${share(reference)}` }, parts);
}

const lag = (seconds) => (seconds === null ? "no labels yet" : seconds < 1 ? "under 1 s" : duration(seconds));

function health(overview, now, rate) {
  const sum = (counts) => Object.values(counts).reduce((all, each) => all + each, 0);
  const dropped = sum(overview.dropped_rows);
  const lost = sum(overview.predictions.dropped);
  const errors = Object.entries(overview.errors).filter(([, number]) => number);
  const age = overview.state_saved_at === null ? null : now - overview.state_saved_at;
  const lines = [
    ["rows", `${count(overview.rows)}${rate === null ? "" : `, ${rate < 10 ? number(Math.round(10 * rate) / 10) : count(rate)} per second`}`],
    ["queue", overview.queue_rows ? plural(overview.queue_rows, "row") : "empty", overview.queue_rows > LONG_QUEUE],
    ["dropped", dropped ? plural(dropped, "row") : "none", dropped > 0],
    ["errors", errors.length ? errors.map(([where, number]) => `${count(number)} in ${where}`).join(", ") : "none", errors.length > 0],
    ["label lag", lag(overview.labels.lag_seconds)],
    ["state saved", age === null ? "not kept" : ago(Math.max(0, age)), age === null ? false : age > STALE_SECONDS],
  ];
  if (lost) lines.push(["predictions lost", count(lost), true]);
  const wrong = lines.filter(([, , bad]) => bad).map(([name]) => name);
  return card("Monitoring", wrong.length ? "warn" : "good",
    [make("b", {}, wrong.length ? "Look here" : "Healthy")],
    [wrong.length ? `see ${wrong.join(", ")}` : `up for ${duration(now - overview.started_at)}`],
    make("dl", {}, lines.map(([name, value, bad]) =>
      make("div", { className: bad ? "bad" : "" }, make("dt", {}, name), make("dd", {}, value)))));
}
