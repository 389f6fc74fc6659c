"use strict";
// Draws the figures named in the data block, in the colours of the reader's scheme.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const config = { responsive: true, displayModeBar: false };
  const drawn = new Set();
  const theme = (isDark) => {
    const ink = isDark ? "#e4e4e7" : "#1f2328";
    const line = isDark ? "#71717a" : "#8b949e";
    const grid = isDark ? "#2c2c31" : "#eaecef";
    const axis = (name) => ({ [`${name}.linecolor`]: line, [`${name}.tickcolor`]: line,
                              [`${name}.gridcolor`]: grid });
    return { "font.color": ink, ...axis("xaxis"), ...axis("yaxis") };
  };
  const draw = (element) => {
    if (drawn.has(element) || element.closest("details:not([open])")) return;
    drawn.add(element);
    const { data, layout } = figures[element.dataset.figure];
    Plotly.newPlot(element, data, layout, config)
      .then(() => Plotly.relayout(element, theme(dark.matches)));
  };
  const drawAll = () => document.querySelectorAll("[data-figure]").forEach(draw);
  const paint = (isDark) => drawn.forEach((element) => Plotly.relayout(element, theme(isDark)));
  document.querySelectorAll("details").forEach((each) => each.addEventListener("toggle", drawAll));
  dark.addEventListener("change", () => paint(dark.matches));
  addEventListener("beforeprint", () => paint(false));
  addEventListener("afterprint", () => paint(dark.matches));
  drawAll();
})();
