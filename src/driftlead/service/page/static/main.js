// The page: ask the service every two seconds, and show what it answers.

import { get, NoAnswer, Refusal } from "./api.js";
import { Cards } from "./cards.js";
import { Dialogs } from "./dialogs.js";
import { byId, make, show } from "./dom.js";
import { Episodes } from "./episodes.js";
import { ago, clock } from "./format.js";
import { History } from "./history.js";
import { Lanes } from "./lanes.js";
import { offerPlotly, openEpisode, openQuality, openSignal, Panel } from "./panel.js";
import { Verdict } from "./verdict.js";

const EVERY_MS = 2000;
const EPISODES_EVERY_MS = 30000;
const LISTED_EPISODES = 20;

const dialogs = new Dialogs(() => {
  episodesKnown = null;
  tick();
});
const acts = {
  openSignal,
  openEpisode,
  acknowledge: (id) => dialogs.acknowledge(id),
  resolve: (id) => dialogs.resolve(id),
  rebaseline: () => dialogs.rebaseline(),
};
const verdict = new Verdict(acts);
const cards = new Cards(openQuality);
const episodes = new Episodes(acts);
const panel = new Panel((name) => neighbours(name), acts);

let lanes = null;
let history = new History();
let started = null;
let answeredAt = null;
let failing = false;
let episodesKnown = null;
let listed = [];
let running = false;
let timer = 0;

async function tick() {
  if (running) return;
  running = true;
  clearTimeout(timer);
  try {
    await update();
    recovered();
  } catch (error) {
    lost(error);
  } finally {
    running = false;
    if (!document.hidden) timer = setTimeout(tick, EVERY_MS);
  }
}

async function update() {
  const [{ document: overview, now }] = await Promise.all([get("api/v1/overview"), preparePalettes()]);
  const before = performance.now();
  if (started !== null && overview.started_at !== started) restarted(overview, now);
  started = overview.started_at;
  dialogs.needsKey = overview.needs_key;
  show(byId("model"), make("strong", {}, overview.model), make("code", { title: `version ${overview.version}` }, overview.version.slice(0, 12)));
  const state = verdict.update(overview, now);
  document.title = `${{ drifting: "▲ drifting", known: "△ drifting", quiet: "quiet again", calm: "no drift" }[state] ?? state} · ${overview.model}`;
  byId("signals").hidden = byId("episodes").hidden = byId("cards").hidden = byId("report").hidden = !overview.watched;
  if (!overview.watched) return;
  cards.update(overview, now);
  const spent = performance.now() - before;
  await Promise.all([updateLanes(overview, now, spent), updateEpisodes(overview, now), panel.refresh()]);
  offerPlotly(overview.plotly);
}

async function updateLanes(overview, now, spent) {
  const { after } = history;
  const { document } = await get(`api/v1/history?after=${after}`);
  const before = performance.now();
  if (!history.add(document, after)) {
    history = new History();
    return updateLanes(overview, now, spent);
  }
  lanes.update(overview, history, now);
  // For the tests, which measure what an update costs the browser.
  performance.measure("update", { start: before - spent, end: performance.now() });
}

async function updateEpisodes(overview, now) {
  const open = overview.episodes.map(({ id, status, n_signals: signals }) => [id, status, signals]).join();
  const known = `${open} ${Math.floor(Date.now() / EPISODES_EVERY_MS)}`;
  if (known !== episodesKnown) {
    try {
      listed = (await get(`api/v1/episodes?limit=${LISTED_EPISODES}`)).document.episodes;
      episodesKnown = known;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      episodes.refuse(error.message);
      return;
    }
  }
  // The list is asked for less often; an open episode goes on meanwhile.
  const present = new Map(overview.episodes.map((episode) => [episode.id, episode]));
  episodes.update(listed.map((episode) => present.get(episode.id) ?? episode), now);
}

async function preparePalettes() {
  lanes ??= new Lanes((await get("page/palettes.json")).document, openSignal);
}

function neighbours(name) {
  const place = lanes?.order.indexOf(name) ?? -1;
  return place < 0 ? [null, null] : [lanes.order[place - 1] ?? null, lanes.order[place + 1] ?? null];
}

// --- the connection ------------------------------------------------------------------------------

function recovered() {
  answeredAt = Date.now() / 1000;
  if (failing) {
    failing = false;
    document.body.classList.remove("stale");
    if (byId("notice").dataset.kind === "lost") notify("", "");
  }
  showConnection();
}

function lost(error) {
  failing = true;
  document.body.classList.add("stale");
  const since = answeredAt === null ? "" : ` What you see is of ${clock(answeredAt)}.`;
  const why = error instanceof NoAnswer ? "The service does not answer." : `Something is wrong: ${error.message}.`;
  if (!(error instanceof NoAnswer || error instanceof Refusal)) console.error(error); // the page's own mistake
  notify("lost", `${why}${since} Trying again every ${EVERY_MS / 1000} seconds.`);
  showConnection();
}

function restarted(overview, now) {
  history = new History();
  episodesKnown = null;
  notify("restarted", `The service was started anew at ${clock(overview.started_at, now)}` +
    (overview.watched ? `; monitoring went on at row ${overview.rows.toLocaleString("en")}.` : "."));
  setTimeout(() => byId("notice").dataset.kind === "restarted" && notify("", ""), 20000);
}

function notify(kind, text) {
  const notice = byId("notice");
  notice.dataset.kind = kind;
  notice.hidden = !text;
  if (notice.textContent !== text) notice.textContent = text;
}

function showConnection() {
  const text = failing ? (answeredAt === null ? "no answer" : `last answer ${ago(Date.now() / 1000 - answeredAt)}`) : "live";
  const connection = byId("connection");
  connection.className = `connection ${failing ? "lost" : "live"}`;
  if (connection.textContent !== text) connection.textContent = text;
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) tick();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, textarea, dialog")) {
    event.preventDefault();
    byId("filter").focus();
  }
});
tick().then(() => panel.follow());
