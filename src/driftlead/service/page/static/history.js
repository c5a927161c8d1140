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

  /** Take what was asked for from `after` on; false where it does not fit, and must be asked for anew. */
  add(document, after) {
    if (after === 0) {
      this.series = document.series;
    } else if (pairsOf(document) === pairsOf(this)) {
      document.series.forEach((more, place) => extend(this.series[place], more));
    } else {
      return false; // the first missing value or label brings tests that were not there before
    }
    this.latest = Math.max(0, ...this.series.map((series) => series.end.at(-1) ?? 0));
    return true;
  }

  get earliest() {
    return Math.min(...this.series.map((series) => series.start[0] ?? Infinity));
  }
}

const pairsOf = ({ series }) => JSON.stringify(series.map(({ pairs }) => pairs));

function extend(series, more) {
  const known = series.end.at(-1) ?? 0;
  for (let place = 0; place < more.end.length; place++) {
    if (more.end[place] <= known) continue;
    for (const name of ["start", "end", "row", "percent"]) series[name].push(more[name][place]);
  }
}
