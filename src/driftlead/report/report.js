const figures = JSON.parse(document.getElementById("figures").textContent);
for (const [name, { data, layout }] of Object.entries(figures)) {
  Plotly.newPlot(name, data, { height: 340, ...layout }, { displaylogo: false, responsive: true });
}
// Paper is narrower than most windows, and is not told of a change of size.
addEventListener("beforeprint", () => {
  for (const name of Object.keys(figures)) Plotly.relayout(name, { width: 660 });
});
addEventListener("afterprint", () => {
  for (const name of Object.keys(figures)) Plotly.relayout(name, { width: undefined, autosize: true });
});
