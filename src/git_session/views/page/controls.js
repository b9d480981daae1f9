// Everything that can be pressed, typed, dragged or turned.

function applyFilters() {
  filters.words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const name of ["engine", "role", "host", "order"]) filters[name] = element(name).value;
  layOut();
  filterTable();
  if (marked.chosen && !isShown(marked.chosen)) choose(null);
  const shown = sessions.filter(isShown).length;
  const all = sessions.length;
  const words = `${shown === all ? "" : `${formatNumber(shown)} of `}${formatNumber(all)} sessions`;
  element("count").textContent = all === 1 && shown === 1 ? "1 session" : words;
  element("nothing").hidden = shown > 0;
  chart.hidden = shown === 0;
  element("reset").hidden = shown === all && !filters.words.length;
}

function resetFilters() {
  element("search").value = "";
  for (const name of ["engine", "role", "host"]) element(name).value = "";
  filters.hidden.clear();
  for (const chip of document.querySelectorAll("[data-chip]")) chip.setAttribute("aria-pressed", "true");
  applyFilters();
}

/** Fills a list with the values that there are; where all have the same one there is no choice. */
function fillChoices(field) {
  const counts = countValues(field);
  const select = element(field);
  for (const [value, count] of [...counts].sort(([one], [other]) => one.localeCompare(other))) {
    const name = value.length > 40 ? `${value.slice(0, 39)}…` : value;
    select.append(make("option", { value }, `${name} (${count})`));
  }
  select.closest("label").hidden = counts.size < 2;
}

function toggleChip(chip) {
  const isPressed = chip.getAttribute("aria-pressed") === "true";
  chip.setAttribute("aria-pressed", String(!isPressed));
  if (isPressed) filters.hidden.add(chip.dataset.chip);
  else filters.hidden.delete(chip.dataset.chip);
  applyFilters();
}

// ------------------------------------------------------------------------------------ keyboard

function shownSessions() {
  return layout.lanes.flatMap(({ rows }) => rows.flat().sort((one, other) => one.begin_ts - other.begin_ts));
}

/** The session a key leads to: along a lane, or in the next lane the one nearest in time. */
function neighbour(key) {
  const { chosen } = marked;
  const all = shownSessions();
  if (!chosen) return key === "End" ? all.at(-1) : all[0];
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  if (key === "ArrowLeft") return all[all.indexOf(chosen) - 1];
  if (key === "ArrowRight") return all[all.indexOf(chosen) + 1];
  const here = layout.lanes.findIndex(({ lane }) => lane === chosen.lane);
  const next = layout.lanes[here + (key === "ArrowDown" ? 1 : -1)];
  const middle = (chosen.begin_ts + chosen.end) / 2;
  return next?.rows.flat().sort((one, other) => distance(one, middle) - distance(other, middle))[0];
}

function pressOnChart(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { key } = event;
  const acts = {
    "+": () => zoom(1.5),
    "=": () => zoom(1.5),
    "-": () => zoom(1 / 1.5),
    0: fit,
    Enter: () => marked.chosen && element("details").focus(),
    Escape: () => choose(null),
  };
  if (event.shiftKey && (key === "ArrowLeft" || key === "ArrowRight")) {
    pan(key === "ArrowLeft" ? -0.2 : 0.2);
  } else if (/^(Arrow|Home$|End$)/.test(key)) {
    const next = neighbour(key);
    if (next) choose(next);
  } else if (acts[key]) {
    acts[key]();
  } else {
    return;
  }
  event.preventDefault();
}

function pressAnywhere(event) {
  const isTyping = event.target.closest?.("input, select, textarea");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    element("search").focus();
  } else if (event.key === "Escape") {
    if (event.target === element("search")) resetFilters();
    hover(null);
  }
}

// ------------------------------------------------------------------------------------- pointers

const pointers = new Map();
let dragged = null;

function place(event) {
  const { left, top } = canvas.getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
}

function pressPointer(event) {
  if (event.button > 0) return;
  const at = place(event);
  pointers.set(event.pointerId, at);
  dragged = { at, view: { ...view }, scrolled: chart.scrollTop, hasMoved: false };
}

function movePointer(event) {
  const at = place(event);
  if (!pointers.has(event.pointerId)) {
    if (event.pointerType !== "touch") hover(sessionAt(at.x, at.y), event.clientX, event.clientY);
    return;
  }
  const before = [...pointers.values()];
  pointers.set(event.pointerId, at);
  if (pointers.size === 2) {
    pinch(before, [...pointers.values()]);
    return;
  }
  const moved = { x: at.x - dragged.at.x, y: at.y - dragged.at.y };
  if (!dragged.hasMoved && Math.hypot(moved.x, moved.y) < 4) return;
  if (!dragged.hasMoved) canvas.setPointerCapture(event.pointerId);
  dragged.hasMoved = true;
  hover(null);
  canvas.style.cursor = "grabbing";
  const shift = (moved.x / (box.width - box.left)) * (dragged.view.until - dragged.view.from);
  setView(dragged.view.from - shift, dragged.view.until - shift);
  if (event.pointerType !== "touch") chart.scrollTop = dragged.scrolled - moved.y;
}

function pinch(before, after) {
  const [apart, now] = [before, after].map(([one, other]) => Math.max(Math.abs(one.x - other.x), 10));
  zoom(now / apart, timeAt((after[0].x + after[1].x) / 2));
  dragged.hasMoved = true;
}

function releasePointer(event) {
  const wasDown = pointers.delete(event.pointerId);
  canvas.style.cursor = "";
  if (!wasDown || !dragged || dragged.hasMoved || event.type !== "pointerup") return;
  const { x, y } = place(event);
  choose(sessionAt(x, y), { isRevealed: false });
}

function turnWheel(event) {
  const { x } = place(event);
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    zoom(Math.exp(-clamp(event.deltaY, -60, 60) / 120), timeAt(Math.max(x, box.left)));
  } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    pan((event.deltaX || event.deltaY) / (box.width - box.left));
  }
}

/** Drags the part that is shown, or in the overview one of its edges. */
function dragOverview(event) {
  if (event.type === "pointerdown") {
    overview.setPointerCapture(event.pointerId);
    dragged = { edge: findEdge(overviewTime(event)) };
  }
  if (!overview.hasPointerCapture(event.pointerId)) return;
  const ts = overviewTime(event);
  const half = (view.until - view.from) / 2;
  if (dragged.edge === "from") setView(Math.min(ts, view.until - 60_000), view.until);
  else if (dragged.edge === "until") setView(view.from, Math.max(ts, view.from + 60_000));
  else setView(ts - half, ts + half);
}

function overviewTime(event) {
  const { left, width } = overview.getBoundingClientRect();
  return bounds.from + ((event.clientX - left) / width) * (bounds.until - bounds.from);
}

function findEdge(ts) {
  const slack = ((bounds.until - bounds.from) / overview.clientWidth) * 7;
  if (view.until - view.from < slack * 3) return null;
  return ["from", "until"].find((edge) => Math.abs(view[edge] - ts) < slack) ?? null;
}
