// What lies one click behind: a signal, an episode, or quality over time, with figures by Plotly.

import { get, Refusal } from "./api.js";
import { byId, make, onThemeChange, show, theme } from "./dom.js";
import { clock, count, number, plural, ratio, share } from "./format.js";

const SHARES = new Set(["accuracy", "macro_precision", "macro_recall"]);
const MOST_CLASSES = 12;
const FEW_SIGNALS = 12;
const CONFIG = { displayModeBar: false, responsive: true };

export class Panel {
  constructor(neighbours, { acknowledge, resolve }) {
    this.element = byId("panel");
    this.neighbours = neighbours;
    this.title = make("h2", { id: "panel-title" });
    this.content = make("div", { className: "content" });
    this.figures = make("div", { className: "figures" });
    this.steps = make("span", { className: "steps" });
    const close = make("button", { type: "button", className: "close", "aria-label": "Close" }, "×");
    close.addEventListener("click", () => this.element.close());
    this.element.append(make("header", {}, this.title, this.steps, close), this.content, this.figures);
    this.element.addEventListener("close", () => {
      if (location.hash) history.pushState(null, "", location.pathname + location.search);
      this.clear();
    });
    this.element.addEventListener("click", (event) => {
      // A click beside the panel is one on its backdrop.
      if (event.target === this.element) this.element.close();
      const step = event.target.closest("[data-signal]")?.dataset.signal;
      if (step) openSignal(step);
      const { act, name } = event.target.closest("[data-act]")?.dataset ?? {};
      if (act === "acknowledge") acknowledge(name);
      if (act === "resolve") resolve(name);
    });
    this.element.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: 0, ArrowRight: 1 }[event.key];
      if (step !== undefined && this.steps.children[step]) this.steps.children[step].click();
    });
    addEventListener("hashchange", () => this.follow());
    onThemeChange(() => this.refresh());
  }

  /** Show what the address names; a link to a signal or an episode can be sent to a colleague. */
  async follow() {
    const [kind, ...rest] = location.hash.slice(1).split("=");
    const name = decodeURIComponent(rest.join("="));
    this.clear();
    if (!["signal", "episode", "quality"].includes(kind)) {
      if (this.element.open) this.element.close();
      return;
    }
    this.shown = { kind, name };
    this.title.textContent = kind === "quality" ? "Quality over time" : kind === "signal" ? name : "Episode of drift";
    this.showSteps();
    show(this.content, make("p", { className: "empty" }, "…"));
    if (!this.element.open) this.element.showModal();
    this.element.scrollTop = 0;
    await this.refresh();
  }

  clear() {
    this.shown = null;
    for (const place of this.figures.children) globalThis.Plotly?.purge(place);
    this.figures.replaceChildren();
    this.content.replaceChildren();
    delete this.content.dataset.shown;
  }

  showSteps() {
    if (this.shown?.kind !== "signal") {
      this.steps.replaceChildren();
      return;
    }
    const [before, after] = this.neighbours(this.shown.name);
    this.steps.replaceChildren(
      ...[[before, "←", "Previous signal"], [after, "→", "Next signal"]].map(([name, text, label]) =>
        make("button", { type: "button", disabled: !name, "data-signal": name ?? "", "aria-label": label, title: label }, text)));
  }

  async refresh() {
    const shown = this.shown;
    if (!shown) return;
    const path = {
      signal: `api/v1/signal?name=${encodeURIComponent(shown.name)}&theme=${theme()}`,
      episode: `api/v1/episodes/${encodeURIComponent(shown.name)}?theme=${theme()}`,
      quality: `api/v1/quality?theme=${theme()}`,
    }[shown.kind];
    try {
      const { document, fresh } = await get(path);
      if (this.shown !== shown || (!fresh && this.figures.children.length)) return;
      const told = { signal: signalFacts, episode: episodeFacts, quality: qualityFacts }[shown.kind](document);
      show(this.content, ...told);
      await this.draw(document, shown);
    } catch (error) {
      if (this.shown !== shown) return;
      if (error instanceof Refusal && error.status === 404) show(this.content, make("p", { className: "empty" }, error.message));
      else if (!this.figures.children.length) show(this.content, make("p", { className: "empty" }, "The service does not answer now."));
    }
  }

  async draw(document, shown) {
    const plotly = await loadPlotly();
    if (this.shown !== shown) return;
    if (!plotly) {
      show(this.figures, make("p", { className: "empty" }, "Figures need Plotly: pip install 'driftlead[figures]'."));
      return;
    }
    for (const [name, figure] of Object.entries(document.figures)) {
      let place = [...this.figures.children].find((each) => each.dataset.figure === name);
      if (!place) {
        place = make("div", { className: "figure", "data-figure": name });
        this.figures.append(place);
      }
      const first = !place.children.length;
      await plotly.react(place, figure.data, figure.layout, CONFIG);
      if (first && name === "ranking") {
        // The strongest is the last bar, for Plotly begins at the bottom.
        const last = figure.data[0].y.length - 1;
        place.on("plotly_click", ({ points }) => openSignal(document.signals[last - points[0].pointIndex].signal));
      }
    }
  }
}

export const openSignal = (name) => {
  location.hash = `signal=${encodeURIComponent(name)}`;
};

export const openEpisode = (id) => {
  location.hash = `episode=${encodeURIComponent(id)}`;
};

export const openQuality = () => {
  location.hash = "quality";
};

let plotlyVersion = null;
let loading = null;

/** Say which Plotly the service has; its 5 MB are fetched when the browser has nothing else to do. */
export function offerPlotly(version) {
  if (plotlyVersion === version) return;
  plotlyVersion = version;
  if (version) document.head.append(make("link", { rel: "prefetch", as: "script", href: plotlyUrl() }));
}

const plotlyUrl = () => `page/plotly-${encodeURIComponent(plotlyVersion)}.js`;

function loadPlotly() {
  if (!plotlyVersion) return Promise.resolve(null);
  loading ??= new Promise((resolve) => {
    const script = make("script", { src: plotlyUrl() });
    script.addEventListener("load", () => resolve(globalThis.Plotly));
    script.addEventListener("error", () => {
      loading = null;
      resolve(null);
    });
    document.head.append(script);
  });
  return loading;
}

// Of a test that drifts the statistic may be low by now: Page-Hinkley starts anew after each alarm.
function lastAlarm({ drifting, alarms, last_alarm_row: row }) {
  if (!row) return "no alarm";
  return drifting ? `in alarm, last above on row ${count(row)}` : `${plural(alarms, "alarm")}, the latest on row ${count(row)}`;
}

function signalFacts(signal) {
  const tiles = signal.statistics.map((each) =>
    make("li", { className: each.drifting ? "tile bad" : "tile" },
      make("span", {}, each.detector), make("b", {}, ratio(each.ratio)),
      make("small", {}, `${number(each.statistic)} of ${number(each.threshold)}`),
      make("small", {}, lastAlarm(each))));
  const lines = [];
  const shares = signal.distribution;
  if (shares) {
    if (shares.live_mean !== null && shares.reference_mean !== null && signal.kind === "numeric") {
      lines.push(["mean", `reference ${number(shares.reference_mean)}, live ${number(shares.live_mean)}`]);
    }
    if (shares.reference_missing || shares.live_missing) {
      lines.push(["missing", `reference ${share(shares.reference_missing)}, live ${share(shares.live_missing)}`]);
    }
    lines.push(["live", `the latest ${plural(shares.live_rows, "row")} of ${count(signal.rows)}`]);
  }
  for (const change of signal.changes) {
    lines.push(["change", `about row ${count(change.row)}${change.at === null ? "" : `, ${clock(change.at)}`}`]);
  }
  return [make("ul", { className: "tiles" }, tiles), facts(lines)];
}

function episodeFacts(episode) {
  const lines = [
    ["change", `about row ${count(episode.change_row)}, ${clock(episode.changed_at)}`],
    ["first alarm", `row ${count(episode.opened_row)}, ${clock(episode.opened_at)}, ${episode.opened_by[1]} on ${episode.opened_by[0]}`],
    ["last alarm", `row ${count(episode.last_alarm_row)}, ${clock(episode.last_alarm_at)}`],
    ["alarms", count(episode.alarms)],
  ];
  if (episode.acknowledged_at) lines.push(["acknowledged", `${episode.acknowledged_by ?? "someone"}, ${clock(episode.acknowledged_at)}`]);
  if (episode.note) lines.push(["note", episode.note]);
  if (episode.resolved_at) lines.push(["ended", `${clock(episode.resolved_at)}, ${episode.resolution}${episode.resolved_by ? ` by ${episode.resolved_by}` : ""}`]);
  const signals = episode.signals.map((signal) =>
    make("li", {}, make("button", { type: "button", className: "link", "data-signal": signal.signal }, signal.signal),
      make("span", {}, signal.mean_before === null ? "" : `mean ${number(signal.mean_before)}, then ${number(signal.mean_after)}`)));
  const actions = [];
  if (!episode.acknowledged_at) actions.push(make("button", { type: "button", className: "main", "data-act": "acknowledge", "data-name": episode.id }, "Acknowledge"));
  if (!episode.resolved_at) actions.push(make("button", { type: "button", "data-act": "resolve", "data-name": episode.id }, "End it…"));
  return [
    facts(lines),
    make("p", { className: "actions" }, actions),
    make("details", { open: signals.length <= FEW_SIGNALS }, make("summary", {}, plural(episode.n_signals, "signal")),
      make("ul", { className: "drifted" }, signals)),
  ];
}

function qualityFacts({ labels }) {
  const names = Object.keys({ ...labels.reference, ...labels.quality });
  if (!names.length) return [make("p", { className: "empty" }, "The reference has no labels: quality is not measured.")];
  const shown = (name, value) => (SHARES.has(name) ? share(value) : number(value));
  const whole = table(["", "now", "reference"], names.map((name) =>
    [name.replaceAll("_", " "), shown(name, labels.quality[name]), shown(name, labels.reference[name])]));
  if (!labels.classes?.length || !labels.rows) return [whole];
  const classes = table(["class", "precision", "recall", "labels"], labels.classes.slice(0, MOST_CLASSES).map((each) =>
    [each.class, share(each.precision), share(each.recall), count(each.support)]));
  return [make("div", { className: "tables" }, whole, classes)];
}

function table(heads, rows) {
  return make("table", {}, make("thead", {}, make("tr", {}, heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, rows.map(([name, ...values]) =>
      make("tr", {}, make("th", { scope: "row" }, name), values.map((value) => make("td", {}, value))))));
}

function facts(lines) {
  return make("dl", {}, lines.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}
