// Puts the page together and starts it.

const THEMES = ["auto", "light", "dark"];

function setTheme(theme) {
  if (theme === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset.theme = theme;
  for (const choice of document.querySelectorAll("[name=theme]")) choice.checked = choice.value === theme;
  remember("theme", theme);
  readColors();
  requestDraw();
}

function setZone(isUtc) {
  zone.isUtc = isUtc;
  retime();
  choose(marked.chosen, { isRevealed: false });
}

/** Keeps a choice for the next page, where the browser lets pages keep anything. */
function remember(key, value) {
  try {
    localStorage.setItem(`git-session-${key}`, value);
  } catch {
    // a page from a file, or in private: nothing is kept
  }
}

function recall(key) {
  try {
    return localStorage.getItem(`git-session-${key}`);
  } catch {
    return null;
  }
}

/** For paper the chart is as high as its lanes are, as far as a canvas can be. */
function preparePrint() {
  document.documentElement.classList.add("is-printed");
  box.isPaper = true;
  readColors();
  showAllRows();
  chart.scrollTop = 0;
  layOut();
  const fitting = layout.lanes.filter((lane) => AXIS + lane.top + lane.height <= box.height).length;
  const isCut = fitting < layout.lanes.length;
  element("cut").textContent = isCut ? `The first ${fitting} of ${layout.lanes.length} lanes; the table has all.` : "";
  stage.style.height = `${box.height}px`;
  draw();
}

function endPrint() {
  document.documentElement.classList.remove("is-printed");
  box.isPaper = false;
  readColors();
  layOut();
}

function listen() {
  element("search").addEventListener("input", applyFilters);
  for (const name of ["engine", "role", "host", "order"]) {
    element(name).addEventListener("change", applyFilters);
  }
  for (const chip of document.querySelectorAll("[data-chip]")) {
    chip.addEventListener("click", () => toggleChip(chip));
  }
  for (const choice of document.querySelectorAll("[name=theme]")) {
    choice.addEventListener("change", () => setTheme(choice.value));
  }
  for (const choice of document.querySelectorAll("[name=zone]")) {
    choice.addEventListener("change", () => setZone(choice.value === "utc"));
  }
  for (const button of document.querySelectorAll("[data-reset]")) {
    button.addEventListener("click", resetFilters);
  }
  element("zoom-in").addEventListener("click", () => zoom(1.5));
  element("zoom-out").addEventListener("click", () => zoom(1 / 1.5));
  element("fit").addEventListener("click", fit);
  chart.addEventListener("keydown", pressOnChart);
  chart.addEventListener("scroll", requestDraw, { passive: true });
  document.addEventListener("keydown", pressAnywhere);
  canvas.addEventListener("pointerdown", pressPointer);
  canvas.addEventListener("pointermove", movePointer);
  canvas.addEventListener("pointerup", releasePointer);
  canvas.addEventListener("pointercancel", releasePointer);
  canvas.addEventListener("pointerleave", () => hover(null));
  canvas.addEventListener("dblclick", (event) => zoom(2, timeAt(place(event).x)));
  canvas.addEventListener("wheel", turnWheel, { passive: false });
  for (const type of ["pointerdown", "pointermove"]) overview.addEventListener(type, dragOverview);
  window.addEventListener("beforeprint", preparePrint);
  window.addEventListener("afterprint", endPrint);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColors();
    requestDraw();
  });
  new ResizeObserver(layOut).observe(chart.parentElement);
}

for (const name of ["engine", "role", "host"]) fillChoices(name);
setTheme(THEMES.includes(recall("theme")) ? recall("theme") : "auto");
listen();
fit();
applyFilters();
document.documentElement.classList.add("is-ready");
