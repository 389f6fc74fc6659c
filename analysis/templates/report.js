"use strict";
// Unpacks figures when they come into view, draws them in the reader's colours and width, hands out
// their data as CSV, and sorts, filters and unfolds the table of rates.
(() => {
  const NARROW = 560, PRINTED = 680;
  const settings = JSON.parse(document.getElementById("settings").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const config = { displayModeBar: false };
  const packs = new Map(), figures = new Map(), widths = new Map();

  const inflate = async (number) => {
    const text = atob(document.getElementById(`pack-${number}`).textContent);
    const bytes = Uint8Array.from(text, (each) => each.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };
  const packed = async (number, key) => {
    if (!packs.has(number)) packs.set(number, inflate(number));
    return (await packs.get(number))[key];
  };

  const axis = (own, isDark) => ({ linecolor: isDark ? "#71717a" : "#8b949e",
    tickcolor: isDark ? "#71717a" : "#8b949e", gridcolor: isDark ? "#2c2c31" : "#eaecef", ...own });
  const paint = (element, width, isDark) => {
    const { data, layout, narrow } = structuredClone(figures.get(element));
    const own = { ...layout, ...(width < NARROW ? narrow : {}), width, template: settings.template };
    own.font = { ...own.font, color: isDark ? "#e4e4e7" : "#1f2328" };
    own.xaxis = axis(own.xaxis, isDark);
    own.yaxis = axis(own.yaxis, isDark);
    element.style.minHeight = "";
    return Plotly.react(element, data, own, config);
  };
  const draw = async (element) => {
    const width = Math.floor(element.clientWidth);
    if (!width || widths.get(element) === width) return;
    widths.set(element, width);
    try {
      if (!figures.has(element)) {
        figures.set(element, await packed(element.dataset.pack, element.dataset.figure));
      }
      await paint(element, width, dark.matches);
      element.dataset.drawn = "";
    } catch (problem) {
      element.textContent = `This figure could not be drawn (${problem.message}).`;
    }
  };
  // One at a time, so that the page answers while it draws.
  let queue = Promise.resolve();
  const seen = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    queue = queue.then(() => draw(target));
  }));
  const watch = (root) => root.querySelectorAll("[data-figure]").forEach((each) => seen.observe(each));

  const repaint = () => figures.forEach((_, each) => {
    if (each.clientWidth) paint(each, widths.get(each), dark.matches);
  });
  const folded = [];
  dark.addEventListener("change", repaint);
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details.printed:not([open])").forEach((each) => {
      each.open = true;
      folded.push(each);
    });
    figures.forEach((_, each) => {
      if (each.clientWidth) paint(each, Math.min(PRINTED, each.closest(".grid") ? 330 : PRINTED), false);
    });
  });
  addEventListener("afterprint", () => {
    folded.splice(0).forEach((each) => { each.open = false; });
    repaint();
  });

  const download = async (button) => {
    const { table } = await packed(button.dataset.pack, button.dataset.csv);
    const field = (each) => each === null ? ""
      : /[",\r\n]/.test(each) ? `"${each.replaceAll('"', '""')}"` : String(each);
    const csv = table[0].map((_, row) => table.map((column) => field(column[row])).join(",") + "\n").join("");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
    link.download = `${settings.name}-${button.dataset.csv}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  const unfold = async (button, open) => {
    const row = document.getElementById(button.getAttribute("aria-controls"));
    const inner = row.querySelector(".inner");
    button.setAttribute("aria-expanded", String(open));
    row.hidden = !open;
    if (!open || inner.hasChildNodes()) return;
    // Written and escaped by the same template as the page itself.
    inner.innerHTML = (await packed(button.dataset.pack, row.id)).html;
    watch(inner);
  };
  const value = (body, key) => key === "name"
    ? body.rows[0].cells[0].textContent : Number(body.dataset[key]);
  const sort = (button) => {
    const table = button.closest("table"), header = button.closest("th"), key = button.dataset.sort;
    const down = header.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th[aria-sort]").forEach((each) => each.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies].map((body) => [value(body, key), body]);
    rows.sort(([a], [b]) => key === "name" ? a.localeCompare(b, undefined, { numeric: true }) : a - b);
    if (down) rows.reverse();
    table.append(...rows.map(([, body]) => body));
  };
  const filter = (box) => {
    const words = box.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const body of document.getElementById("rates").tBodies) {
      const text = body.rows[0].textContent.toLowerCase();
      body.hidden = !words.every((word) => text.includes(word));
      shown += !body.hidden;
    }
    const all = document.getElementById("rates").tBodies.length;
    document.getElementById("shown").textContent = `${shown} of ${all} comparisons`;
  };
  const followed = () => {
    const button = document.querySelector(`tbody[id="${CSS.escape(location.hash.slice(1))}"] .toggle`);
    if (button) unfold(button, true);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches("[data-csv]")) download(button);
    else if (button.matches(".toggle")) unfold(button, button.getAttribute("aria-expanded") !== "true");
    else if (button.matches(".sort")) sort(button);
  });
  document.getElementById("filter")?.addEventListener("input", (event) => filter(event.target));
  addEventListener("hashchange", followed);
  followed();
  watch(document);
})();
