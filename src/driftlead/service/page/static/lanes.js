// The heat map: a lane per signal, in it a stripe per test, and time from left to right.
//
// By hand and not by Plotly: 500 signals are half a million cells, which here are pixels of small canvases that
// the browser stretches, and the page stands before Plotly's 5 MB would be parsed.

import { byId, make, onThemeChange, show, theme } from "./dom.js";
import { axisClock, ratio } from "./format.js";

const COLUMNS = 288;
const FIRST_SIGNALS = 24;
const MOST_PERCENT = 400;
const PERIODS = [
  ["15 min", 900],
  ["1 h", 3600],
  ["6 h", 21600],
  ["24 h", 86400],
  ["30 d", 2592000],
];
const SHORTEST_SECONDS = 60;
const TICKS = 4;

export class Lanes {
  constructor(palettes, open) {
    this.palettes = palettes;
    this.open = open;
    this.lanes = new Map();
    this.order = [];
    this.period = 3600;
    this.everything = false;
    this.words = "";
    this.peaks = new Map();
    this.history = null;
    this.axis = make("div", { className: "axis", "aria-hidden": "true" });
    this.list = make("ol", { className: "lane-list" });
    this.changes = make("div", { className: "changes", "aria-hidden": "true" });
    byId("lanes").append(this.axis, this.list, this.changes);
    byId("periods").append(...PERIODS.map((period) => this.periodChoice(period)));
    byId("filter").addEventListener("input", (event) => {
      this.words = event.target.value.trim().toLowerCase();
      this.arrange();
    });
    byId("all-signals").addEventListener("click", () => {
      this.everything = !this.everything;
      this.arrange();
    });
    onThemeChange(() => this.repaint());
  }

  periodChoice([name, seconds]) {
    const choice = make("input", { type: "radio", name: "period", checked: seconds === this.period });
    choice.addEventListener("change", () => {
      this.period = seconds;
      this.sort();
      this.arrange();
    });
    return make("label", {}, choice, make("span", {}, name));
  }

  update(overview, history, now) {
    this.overview = overview;
    this.history = history;
    this.now = Math.max(now, history.latest);
    if (this.detectors?.join() !== overview.detectors.join()) {
      this.detectors = overview.detectors;
      this.lanes.clear(); // a canvas has a line of pixels for each
      this.columnsOf = null;
      this.repaintLegend();
    }
    this.signals = new Map(overview.signals.map((signal) => [signal.name, signal]));
    this.sort();
    this.arrange();
  }

  /** By what stands beside them, drifting ones first: peaks of a period, which seldom change places. */
  sort() {
    if (!this.overview) return;
    this.peaks = this.measurePeaks();
    const known = this.order.length === this.signals.size && this.order.every((name) => this.signals.has(name));
    // A lane must not leave from under the pointer that is about to click it.
    if (known && this.list.matches(":hover")) return;
    const rank = ({ name, drifting }) => (drifting.length ? 1e9 : 0) + this.peaks.get(name);
    this.order = [...this.overview.signals].sort((a, b) => rank(b) - rank(a)).map((signal) => signal.name);
  }

  measurePeaks() {
    const peaks = new Map(this.overview.signals.map(({ name, ratio }) => [name, Math.round(100 * strongest(ratio)[1])]));
    const { start } = this.span();
    for (const series of this.history.series) {
      for (let sample = series.end.length - 1; sample >= 0 && series.end[sample] >= start; sample--) {
        const percent = series.percent[sample];
        for (let pair = 0; pair < percent.length; pair++) {
          const [name] = series.pairs[pair];
          if (percent[pair] > (peaks.get(name) ?? 0)) peaks.set(name, percent[pair]);
        }
      }
    }
    return peaks;
  }

  /** From when to when: the period, or as far back as anything is known. */
  span() {
    const end = this.now;
    const known = Math.max(SHORTEST_SECONDS, end - this.history.earliest) || SHORTEST_SECONDS;
    return { start: end - Math.min(this.period, known), end };
  }

  arrange() {
    if (!this.overview) return;
    const found = this.order.filter((name) => name.toLowerCase().includes(this.words));
    const shown = this.everything || this.words ? found : found.slice(0, FIRST_SIGNALS);
    const items = shown.map((name) => this.lane(name).item);
    if (items.length !== this.list.children.length || items.some((item, place) => item !== this.list.children[place])) {
      const focused = document.activeElement;
      this.list.replaceChildren(...items);
      if (this.list.contains(focused)) focused.focus({ preventScroll: true });
    }
    this.visible = shown;
    const more = byId("all-signals");
    more.hidden = Boolean(this.words) || found.length <= FIRST_SIGNALS;
    more.textContent = this.everything ? `Show the ${FIRST_SIGNALS} strongest` : `Show all ${found.length} signals`;
    byId("lanes").classList.toggle("empty", !shown.length);
    this.repaint();
  }

  lane(name) {
    let lane = this.lanes.get(name);
    if (!lane) {
      const canvas = make("canvas", { width: COLUMNS, height: Math.max(1, this.detectors.length), "aria-hidden": "true" });
      const value = make("span", { className: "value" });
      const kind = make("span", { className: "name", title: name }, ...wrappable(name));
      const button = make("button", { type: "button", className: "lane" }, kind, canvas, value);
      button.addEventListener("click", () => this.open(name));
      lane = { item: make("li", {}, button), button, value, pixels: canvas.getContext("2d") };
      this.lanes.set(name, lane);
    }
    return lane;
  }

  repaint() {
    if (!this.history) return;
    if (this.painted !== theme()) {
      this.painted = theme();
      this.colours = colours(this.palettes[this.painted].scale);
      this.repaintLegend();
    }
    const { start, end } = this.span();
    const places = this.history.series.map((series) => columnsOf(series, start, end));
    const columns = this.columnsBySignal();
    for (const name of this.visible) {
      const lane = this.lanes.get(name);
      const image = lane.pixels.createImageData(COLUMNS, this.detectors.length);
      const cells = new Uint32Array(image.data.buffer);
      for (const { series, pair, stripe } of columns.get(name) ?? []) {
        paint(cells, stripe * COLUMNS, this.history.series[series], pair, places[series], this.colours);
      }
      lane.pixels.putImageData(image, 0, 0);
      this.describe(name, lane);
    }
    this.paintAxis(start, end);
  }

  columnsBySignal() {
    const pairs = this.history.series.map((series) => series.pairs);
    if (this.columnsOf?.pairs.every((each, place) => each === pairs[place])) return this.columnsOf.found;
    const found = new Map();
    pairs.forEach((each, series) =>
      each.forEach(([name, detector], pair) => {
        if (!found.has(name)) found.set(name, []);
        found.get(name).push({ series, pair, stripe: Math.max(0, this.detectors.indexOf(detector)) });
      }),
    );
    this.columnsOf = { pairs, found };
    return found;
  }

  describe(name, lane) {
    const { ratio: ratios, drifting } = this.signals.get(name);
    const [detector, highest] = strongest(ratios);
    lane.button.classList.toggle("drifting", drifting.length > 0);
    const told = detector === null ? "–" : ratio(this.peaks.get(name) / 100);
    if (lane.value.textContent !== told) lane.value.textContent = told;
    const state = drifting.length ? `drifting by ${drifting.join(", ")}` : "not drifting";
    const now = detector === null ? "no statistic yet" : `now ${ratio(highest)} by ${detector}`;
    lane.value.title = now;
    lane.button.setAttribute("aria-label", `${name}: ${state}, peak ${told} its threshold, ${now}`);
  }

  paintAxis(start, end) {
    const ticks = [];
    for (let tick = 0; tick <= TICKS; tick++) {
      const text = tick === TICKS ? "now" : axisClock(start + (tick / TICKS) * (end - start), end - start);
      ticks.push(make("span", {}, text));
    }
    show(this.axis, make("span", { className: "name" }, "UTC"), make("div", { className: "ticks" }, ticks),
      make("span", { className: "value", title: "highest in this period, in multiples of the threshold" }, "peak"));
    const places = apart(this.overview.episodes
      .filter((episode) => episode.changed_at >= start && episode.changed_at <= end)
      .map((episode) => (100 * Math.max(0, this.beginning(episode.changed_at) - start)) / (end - start)));
    const marks = places.map((place) => {
      const mark = make("span", { className: "change" }, make("em", {}, "change"));
      mark.style.left = `${place}%`;
      mark.classList.toggle("late", place > 80);
      return mark;
    });
    const lines = places.map((place) => `linear-gradient(90deg, transparent ${place}%, var(--text) ${place}% calc(${place}% + 2px), transparent 0)`);
    this.list.style.setProperty("--changes", lines.join(", ") || "none");
    this.changes.replaceChildren(make("span"), make("div", {}, marks), make("span"));
    // A time beneath the flag of a change could not be read.
    const flags = marks.map((mark) => mark.firstChild.getBoundingClientRect());
    for (const tick of this.axis.querySelectorAll(".ticks span")) {
      const { left, right } = tick.getBoundingClientRect();
      tick.classList.toggle("covered", flags.some((flag) => left < flag.right && flag.left < right));
    }
  }

  /** Of the stripe that a moment falls into: a line within would have the change's own colour on both sides. */
  beginning(moment) {
    for (const { start, end } of this.history.series) {
      const sample = end.findIndex((last) => last >= moment);
      if (sample >= 0 && start[sample] <= moment) return start[sample];
    }
    return moment;
  }

  repaintLegend() {
    if (!this.detectors) return;
    const scale = this.palettes[theme()].scale;
    const steps = [0, 0.5, 0.99, 1, 2, 4].map((step) => {
      const swatch = make("i");
      swatch.style.background = `rgb(${mixed(scale, step).join(" ")})`;
      const names = { 0: "0", 0.99: "< 1", 1: "1 ×", 2: "2 ×", 4: "4 ×" };
      return make("span", {}, swatch, names[step] ?? "");
    });
    show(byId("legend"),
      make("span", { className: "stripes" }, `stripes, top to bottom: ${this.detectors.join(", ")}`),
      make("span", { className: "scale", "aria-hidden": "true" }, make("span", {}, make("i", { className: "idle" }), "not tested"), steps));
  }
}

export function strongest(ratios) {
  let best = [null, 0];
  for (const [detector, value] of Object.entries(ratios)) {
    if (value !== null && value >= best[1]) best = [detector, value];
  }
  return best;
}

/** One line for changes that lie too close together to be told apart. */
function apart(places) {
  const kept = [];
  for (const place of places.sort((a, b) => a - b)) {
    if (!kept.length || place - kept.at(-1) >= 1) kept.push(place);
  }
  return kept;
}

/** Let long names break where people would break them. */
function wrappable(name) {
  return name.split(/(?<=[:._/])/).flatMap((part, place) => (place ? [make("wbr"), part] : [part]));
}

/** The first and last column of each sample in a span of time; of those outside it, none. */
function columnsOf(series, start, end) {
  const scale = COLUMNS / (end - start);
  const places = [];
  for (let sample = 0; sample < series.end.length; sample++) {
    if (series.end[sample] < start) continue;
    const first = Math.max(0, Math.floor((series.start[sample] - start) * scale));
    const last = Math.min(COLUMNS - 1, Math.max(first, Math.ceil((series.end[sample] - start) * scale) - 1));
    places.push([sample, first, last]);
  }
  return places;
}

function paint(cells, offset, series, pair, places, colours) {
  const highest = new Int16Array(COLUMNS).fill(-1);
  for (const [sample, first, last] of places) {
    const percent = Math.min(series.percent[sample][pair], MOST_PERCENT);
    for (let column = first; column <= last; column++) {
      if (percent > highest[column]) highest[column] = percent;
    }
  }
  for (let column = 0; column < COLUMNS; column++) {
    if (highest[column] >= 0) cells[offset + column] = colours[highest[column]];
  }
}

/** A pixel for each whole percent of the threshold. */
function colours(scale) {
  const pixels = new Uint32Array(MOST_PERCENT + 1);
  for (let percent = 0; percent <= MOST_PERCENT; percent++) {
    const [red, green, blue] = mixed(scale, percent / 100);
    pixels[percent] = (255 << 24) | (blue << 16) | (green << 8) | red;
  }
  return pixels;
}

function mixed(scale, value) {
  const above = Math.max(1, scale.findIndex(([step]) => step >= value));
  const [low, from] = scale[above - 1];
  const [high, to] = scale[above];
  const part = Math.min(1, Math.max(0, (value - low) / (high - low)));
  return [1, 3, 5].map((place) => {
    const [a, b] = [from, to].map((colour) => parseInt(colour.slice(place, place + 2), 16));
    return Math.round(a + (b - a) * part);
  });
}
