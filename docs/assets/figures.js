// Draws the figures of a notebook's page, in the colours of the page. Plotly is loaded by pages that have some.
(() => {
  "use strict";
  const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

  const draw = () => {
    if (typeof Plotly === "undefined") return;
    const text = colour("--md-default-fg-color"), line = colour("--md-default-fg-color--lightest");
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, tickfont: { color: text } };
    for (const place of document.querySelectorAll("[data-figure]")) {
      const figure = JSON.parse(place.dataset.figure);
      const layout = {
        ...figure.layout,
        autosize: true, width: undefined,
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        font: { ...figure.layout.font, color: text },
      };
      for (const name of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key)))
        layout[name] = { ...layout[name], ...axis };
      if (layout.title?.font) layout.title = { ...layout.title, font: { ...layout.title.font, color: text } };
      Plotly.react(place, figure.data, layout, { responsive: true, displayModeBar: false });
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    draw();
    new MutationObserver(draw).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
  });
})();
