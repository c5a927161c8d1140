const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 46rem)");

// On a phone names, titles and scales would leave a plot no room.
function narrowed({ data, layout }) {
  const { title, margin, xaxis, yaxis } = layout;
  return {
    data: data.map((trace) =>
      trace.colorbar ? { ...trace, colorbar: { ...trace.colorbar, title: {}, thickness: 6, xpad: 4 } } : trace),
    layout: {
      ...layout,
      title: { ...title, xref: "container", font: { ...title.font, size: 13 } },
      margin: { ...margin, t: margin.t + 12 }, // names of traces take two lines
      xaxis: xaxis.type === "date" ? { ...xaxis, nticks: 3, tickangle: 0 } : xaxis,
      yaxis: { ...yaxis, tickfont: { ...yaxis.tickfont, size: 9 } },
    },
  };
}

function draw(theme, size, shape = (figure) => figure) {
  for (const [name, { [theme]: figure }] of Object.entries(figures)) {
    const { data, layout } = shape(figure);
    Plotly.react(name, data, { height: 340, ...layout, ...size }, { displaylogo: false, responsive: true });
  }
}

const fit = () => draw(dark.matches ? "dark" : "light", { autosize: true }, narrow.matches ? narrowed : undefined);
fit();
for (const query of [dark, narrow]) query.addEventListener("change", fit);
// Paper is white, narrower than most windows, and is not told of a change of size.
addEventListener("beforeprint", () => draw("light", { width: 660 }));
addEventListener("afterprint", fit);
