// What changes something: a form, sent as JSON, with the service's API key where it has one.

import { hasKey, keepKey, post } from "./api.js";
import { byId, make } from "./dom.js";

const NAME = "driftlead.by";

export class Dialogs {
  constructor(done) {
    this.element = byId("ask");
    this.done = done;
    this.needsKey = false;
    this.element.addEventListener("click", (event) => {
      if (event.target === this.element) this.element.close();
    });
  }

  acknowledge(id) {
    this.ask({
      title: "Acknowledge the episode",
      text: "Others then see that someone looks into it. The tests go on.",
      action: "Acknowledge",
      fields: [],
      send: (sent) => post(`api/v1/episodes/${encodeURIComponent(id)}/acknowledge`, sent),
    });
  }

  resolve(id) {
    this.ask({
      title: "End the episode",
      text: "For a change that was looked into and needs no new reference. A signal that goes on alarming opens another " +
        "episode only after it has been quiet.",
      action: "End the episode",
      fields: [],
      send: (sent) => post(`api/v1/episodes/${encodeURIComponent(id)}/resolve`, sent),
    });
  }

  rebaseline() {
    this.ask({
      title: "Take a new reference",
      text: "The rows that come from now on are collected, and become what later rows are compared with: for a change " +
        "that was looked into and is here to stay. The open episode ends with it. It cannot be taken back from here.",
      action: "Collect a new reference",
      fields: [field("rows", "Rows to collect", { type: "number", min: 1, step: 1, inputMode: "numeric", placeholder: "as many as the reference has, at most 5 000" })],
      send: ({ rows, ...who }) => post("api/v1/rebaseline", rows ? { ...who, rows: Number(rows) } : who),
    });
  }

  ask({ title, text, action, fields, send }) {
    const problem = make("p", { className: "problem", role: "alert" });
    const key = field("key", "The service's API key", { type: "password", autocomplete: "off", required: true });
    const keyPlace = make("div", {}, this.needsKey && !hasKey() ? key : null);
    const go = make("button", { type: "submit", className: "main" }, action);
    const back = make("button", { type: "button" }, "Cancel");
    const form = make("form", { method: "dialog" },
      make("h2", { id: "ask-title" }, title), make("p", {}, text),
      field("by", "Your name", { required: true, autocomplete: "name", value: localStorage.getItem(NAME) ?? "" }),
      field("note", "Note", { autocomplete: "off", placeholder: "optional" }),
      ...fields, keyPlace, problem, make("p", { className: "actions" }, go, back));
    back.addEventListener("click", () => this.element.close());
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { key: given, note, ...sent } = Object.fromEntries(new FormData(form));
      if (given) keepKey(given.trim());
      localStorage.setItem(NAME, sent.by);
      go.disabled = true;
      try {
        await send(note ? { ...sent, note } : sent);
        this.element.close();
        this.done();
      } catch (error) {
        problem.textContent = error.message;
        if (error.status === 401) keyPlace.replaceChildren(key);
      } finally {
        go.disabled = false;
      }
    });
    this.element.replaceChildren(form);
    this.element.showModal();
  }
}

function field(name, label, properties) {
  return make("label", { className: "field" }, make("span", {}, label), make("input", { name, ...properties }));
}
