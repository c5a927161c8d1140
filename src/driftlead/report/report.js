const figures = JSON.parse(document.getElementById("figures").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");

function draw(theme, size) {
  for (const [name, { [theme]: { data, layout } }] of Object.entries(figures)) {
    Plotly.react(name, data, { height: 340, ...layout, ...size }, { displaylogo: false, responsive: true });
  }
}

const fit = () => draw(dark.matches ? "dark" : "light", { autosize: true });
fit();
dark.addEventListener("change", fit);
// Paper is white, narrower than most windows, and is not told of a change of size.
addEventListener("beforeprint", () => draw("light", { width: 660 }));
addEventListener("afterprint", fit);
