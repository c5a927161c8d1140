// Numbers and times as people read them. Times are UTC, as in logs and figures.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value) => (value < 100000 ? whole.format(value) : short.format(value));

export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

export function ratio(value) {
  if (value === null || value === undefined) return "–";
  return `${value < 10 ? value.toFixed(2) : value < 1000 ? value.toFixed(0) : short.format(value)} ×`;
}

export const share = (value) =>
  value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`;

export function number(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential(2)
    : String(Number(value.toPrecision(4)));
}

export function duration(seconds) {
  const steps = [
    [86400, "d", 3600, "h"],
    [3600, "h", 60, "min"],
    [60, "min", 1, "s"],
  ];
  for (const [size, unit, smaller, smallerUnit] of steps) {
    if (seconds < size) continue;
    const large = Math.floor(seconds / size);
    const rest = Math.floor((seconds - large * size) / smaller);
    // Of ten and more the rest is not read any more.
    return large < 10 && rest ? `${large} ${unit} ${rest} ${smallerUnit}` : `${large} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}

export const ago = (seconds) => (seconds < 1 ? "now" : `${duration(seconds)} ago`);

export function clock(at, reference = Date.now() / 1000) {
  const text = new Date(at * 1000).toISOString();
  const day = text.slice(0, 10) === new Date(reference * 1000).toISOString().slice(0, 10);
  return day ? `${text.slice(11, 16)} UTC` : `${text.slice(0, 10)} ${text.slice(11, 16)} UTC`;
}

export function axisClock(at, span) {
  const text = new Date(at * 1000).toISOString();
  if (span > 2 * 86400) return text.slice(5, 10);
  return span < 600 ? text.slice(11, 19) : text.slice(11, 16);
}
