// The chart: which times it shows, where its lanes lie, and what the pointer is on.

const element = (id) => document.getElementById(id);

const chart = element("chart");
const stage = element("stage");
const canvas = element("canvas");
const overview = element("overview");

const bounds = { from: data.from_ts, until: Math.max(data.until_ts, data.from_ts + MINUTE) };
const view = { from: 0, until: 0 };
const marked = { chosen: null, hovered: null };
let layout = { lanes: [], height: 0 };
let frame = 0;

const PAPER = { width: 700, height: 12_000 };

const box = { width: 0, height: 0, left: 0, row: 26, scrolled: 0, isPaper: false };

const chartWidth = () => (box.isPaper ? PAPER.width : chart.clientWidth);

/** Sizes of lanes: on a narrow screen a lane's name stands above its bars, else beside them. */
function laneSizes() {
  const isNarrow = chartWidth() < 640;
  box.left = isNarrow ? 0 : Math.min(280, Math.round(chartWidth() * 0.26));
  return { row: box.row, padding: isNarrow ? 4 : 9, header: isNarrow ? 30 : 0, least: isNarrow ? 0 : 48 };
}

function layOut() {
  layout = layOutLanes(laneSizes());
  stage.style.height = `${AXIS + layout.height}px`;
  chart.dataset.lanes = layout.lanes.length;
  resize();
}

function resize() {
  box.width = chartWidth();
  box.height = Math.min(box.isPaper ? PAPER.height : chart.clientHeight, AXIS + layout.height);
  fitCanvas(canvas, box.width, box.height);
  fitCanvas(overview, overview.clientWidth, overview.clientHeight);
  element("corner").style.width = `${box.left}px`;
  element("corner").hidden = box.left === 0;
  requestDraw();
}

function fitCanvas(target, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  target.width = Math.max(1, Math.round(width * ratio));
  target.height = Math.max(1, Math.round(height * ratio));
  if (target === canvas) target.style.height = `${height}px`;
  target.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
}

function requestDraw() {
  if (!frame) frame = requestAnimationFrame(draw);
}

function draw() {
  frame = 0;
  box.scrolled = chart.scrollTop;
  paintChart(canvas.getContext("2d"), box, view, layout, marked);
  const size = { width: overview.clientWidth, height: overview.clientHeight };
  paintOverview(overview.getContext("2d"), size, bounds, view, liveCounts());
  placeLabels();
  chart.dataset.from = Math.round(view.from);
  chart.dataset.until = Math.round(view.until);
}

let counted = { key: null, counts: [] };

/** How many of the sessions that are shown lived at each of some times. */
function liveCounts() {
  const bins = Math.max(1, Math.floor(overview.clientWidth / 3));
  if (counted.key === layout && counted.counts.length === bins) return counted.counts;
  const changes = new Array(bins + 1).fill(0);
  const perMs = bins / (bounds.until - bounds.from);
  for (const { rows } of layout.lanes) {
    for (const session of rows.flat()) {
      const begin = clamp(Math.floor((session.begin_ts - bounds.from) * perMs), 0, bins - 1);
      const heard = session.isLive ? session.seen_ts : session.end;
      const end = clamp(Math.floor((heard - bounds.from) * perMs), begin + 1, bins);
      changes[begin] += 1;
      changes[end] -= 1;
    }
  }
  let live = 0;
  counted = { key: layout, counts: changes.slice(0, bins).map((change) => (live += change)) };
  return counted.counts;
}

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

// ------------------------------------------------------------------------------------- labels

const pool = [];

/** Puts the names of the lanes that can be seen beside them; the elements are used again. */
function placeLabels() {
  let used = 0;
  for (let n = firstLaneBelow(layout.lanes, box.scrolled); n < layout.lanes.length; n++) {
    const placed = layout.lanes[n];
    if (placed.top > box.scrolled + box.height) break;
    fillLabel(pool[used] ?? makeLabel(), placed);
    used += 1;
  }
  for (const label of pool.slice(used)) label.hidden = true;
}

function makeLabel() {
  const label = document.createElement("div");
  label.className = "label";
  const name = document.createElement("div");
  name.append(document.createElement("bdi"), document.createElement("span"));
  label.append(name);
  pool.push(label);
  element("labels").append(label);
  return label;
}

function fillLabel(label, placed) {
  const { lane } = placed;
  label.hidden = false;
  label.style.top = `${AXIS + placed.top}px`;
  label.style.height = box.left ? `${placed.height - 1}px` : "30px";
  label.style.width = box.left ? `${box.left}px` : "100%";
  label.classList.toggle("is-tall", placed.height > box.row * 4);
  if (label.lane === lane) return;
  label.lane = lane;
  label.title = lane.title;
  const [title, task] = label.firstChild.children;
  title.textContent = lane.title || "(no title)";
  task.textContent = [shortTask(lane.task_id), lane.status].filter(Boolean).join(" · ");
}

function shortTask(task) {
  return /^[0-9a-f]{32}$/.test(task) ? task.slice(0, 8) : task;
}

// --------------------------------------------------------------------------------- what is shown

function setView(from, until) {
  const length = clamp(until - from, 30_000, (bounds.until - bounds.from) * 1.5);
  const middle = (from + until) / 2;
  const center = clamp(middle, bounds.from, bounds.until);
  view.from = center - length / 2;
  view.until = center + length / 2;
  requestDraw();
}

function fit() {
  const margin = (bounds.until - bounds.from) * 0.015;
  setView(bounds.from - margin, bounds.until + margin * 2);
}

/** Shows more (factor below 1) or less time around a time that stays where it is. */
function zoom(factor, around = (view.from + view.until) / 2) {
  setView(around - (around - view.from) / factor, around + (view.until - around) / factor);
}

function pan(part) {
  const shift = (view.until - view.from) * part;
  setView(view.from + shift, view.until + shift);
}

function timeAt(x) {
  return view.from + ((x - box.left) / (box.width - box.left)) * (view.until - view.from);
}


/** The session at a place of the chart, a few pixels to either side of it included. */
function sessionAt(x, y) {
  if (y < AXIS || x < box.left) return null;
  const lane = layout.lanes[firstLaneBelow(layout.lanes, y - AXIS + box.scrolled)];
  if (!lane) return null;
  const inside = y - AXIS + box.scrolled - lane.top - lane.barTop;
  const row = lane.rows[Math.floor(inside / box.row)];
  if (!row) return null;
  const slack = (timeAt(1) - timeAt(0)) * 5;
  const ts = timeAt(x);
  let nearest = null;
  for (let n = firstEndingAfter(row, ts - slack); n < row.length; n++) {
    if (row[n].begin_ts > ts + slack) break;
    if (!nearest || distance(row[n], ts) < distance(nearest, ts)) nearest = row[n];
  }
  return nearest;
}

function distance(session, ts) {
  return Math.max(session.begin_ts - ts, ts - session.end, 0);
}

/** Brings a session into sight: its lane, and its time if that is not shown. */
function reveal(session) {
  const placed = layout.lanes.find((lane) => lane.lane === session.lane);
  if (!placed) return;
  if (placed.top < chart.scrollTop || placed.top + placed.height > chart.scrollTop + box.height - AXIS) {
    chart.scrollTop = placed.top - (box.height - AXIS - placed.height) / 2;
  }
  const length = view.until - view.from;
  if (session.end < view.from || session.begin_ts > view.until) {
    const middle = (session.begin_ts + session.end) / 2;
    setView(middle - length / 2, middle + length / 2);
  }
  requestDraw();
}
