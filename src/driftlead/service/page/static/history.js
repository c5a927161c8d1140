// What was over time, as it comes in: samples of each series, oldest first.

const OVERLAP_SECONDS = 30; // a label's sample may come in later than a row's of the same moment
const MOST_SAMPLES = 1500; // beyond, everything is fetched anew, thinned by the service

export class History {
  constructor() {
    this.series = [];
    this.latest = 0;
  }

  /** Where to ask from; the start, once there is too much at hand. */
  get after() {
    const most = Math.max(0, ...this.series.map((series) => series.end.length));
    return most > MOST_SAMPLES ? 0 : Math.max(0, this.latest - OVERLAP_SECONDS);
  }

  add(document, after) {
    if (after === 0 || this.series.length !== document.series.length) {
      this.series = document.series;
    } else {
      document.series.forEach((more, place) => extend(this.series[place], more));
    }
    this.latest = Math.max(0, ...this.series.map((series) => series.end.at(-1) ?? 0));
  }

  get earliest() {
    return Math.min(...this.series.map((series) => series.start[0] ?? Infinity));
  }
}

function extend(series, more) {
  const known = series.end.at(-1) ?? 0;
  for (let place = 0; place < more.end.length; place++) {
    if (more.end[place] <= known) continue;
    for (const name of ["start", "end", "row", "percent"]) series[name].push(more[name][place]);
  }
}
