// Draws lanes and bars on the canvas. Each state has a pattern, each end a sign: colour is never
// the only thing that tells one from another.

const AXIS = 30;

const ink = {};

/** Reads the colours that the style sheet gives in the theme of now. */
function readColors() {
  const probe = document.getElementById("probe");
  const names = ["surface", "ink", "muted", "line", "faint", "accent", "on-bar", ...OUTCOMES];
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    ink[name] = getComputedStyle(probe).color;
  }
  ink.font = getComputedStyle(document.body).fontFamily;
  ink.patterns = { ready: makeStripes(), handoff: makeDots() };
}

function makeTile(size, draw) {
  const tile = new OffscreenCanvas(size * 2, size * 2);
  const context = tile.getContext("2d");
  context.scale(2, 2);
  context.strokeStyle = context.fillStyle = ink.surface;
  context.globalAlpha = 0.5;
  draw(context);
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(0.5));
  return pattern;
}

function makeStripes() {
  return makeTile(8, (context) => {
    context.lineWidth = 2.4;
    context.beginPath();
    for (const shift of [-8, 0, 8]) {
      context.moveTo(shift - 2, 10);
      context.lineTo(shift + 10, -2);
    }
    context.stroke();
  });
}

function makeDots() {
  return makeTile(6, (context) => {
    for (const [x, y] of [[1.5, 1.5], [4.5, 4.5]]) {
      context.beginPath();
      context.arc(x, y, 1.05, 0, 7);
      context.fill();
    }
  });
}

/** Draws everything: `box` has the sizes, `view` the times at both edges, `layout` the lanes. */
function paintChart(context, box, view, layout, marked) {
  context.clearRect(0, 0, box.width, box.height);
  const scale = makeScale(box, view);
  const axis = planTicks(view.from, view.until, (box.width - box.left) / 96);
  paintGrid(context, box, scale, axis);
  const first = firstLaneBelow(layout.lanes, box.scrolled);
  for (let n = first; n < layout.lanes.length; n++) {
    const placed = layout.lanes[n];
    const top = AXIS + placed.top - box.scrolled;
    if (top > box.height) break;
    paintLane(context, box, scale, placed, top, marked);
  }
  paintAxis(context, box, scale, axis);
}

function makeScale(box, view) {
  const perMs = (box.width - box.left) / (view.until - view.from);
  return { x: (ts) => box.left + (ts - view.from) * perMs, perMs, view };
}

function clipToBars(context, box, top) {
  context.save();
  context.beginPath();
  context.rect(box.left, top, box.width - box.left, box.height - top);
  context.clip();
}

function paintGrid(context, box, scale, axis) {
  context.lineWidth = 1;
  for (const ts of axis.ticks) {
    const x = Math.round(scale.x(ts)) + 0.5;
    if (x < box.left) continue;
    context.strokeStyle = isMidnight(ts) && axis.step < DAY ? ink.line : ink.faint;
    context.beginPath();
    context.moveTo(x, AXIS);
    context.lineTo(x, box.height);
    context.stroke();
  }
}

function paintAxis(context, box, scale, axis) {
  context.fillStyle = ink.surface;
  context.fillRect(0, 0, box.width, AXIS);
  context.fillStyle = ink.line;
  context.fillRect(0, AXIS - 1, box.width, 1);
  context.font = `12px ${ink.font}`;
  context.textBaseline = "middle";
  clipToBars(context, box, 0);
  const now = scale.x(data.now);
  for (const ts of axis.ticks) {
    const x = scale.x(ts);
    const isDay = isMidnight(ts) && axis.step < DAY;
    context.fillStyle = isDay ? ink.ink : ink.muted;
    if (Math.abs(x + 20 - now) > 44) context.fillText(formatTick(ts, axis.step), x + 5, AXIS / 2);
    context.fillStyle = ink.line;
    context.fillRect(Math.round(x), AXIS - 7, 1, 7);
  }
  paintNow(context, box, now);
  context.restore();
}

function paintNow(context, box, x) {
  if (x < box.left || x > box.width) return;
  context.strokeStyle = context.fillStyle = ink.accent;
  context.setLineDash([2, 3]);
  context.beginPath();
  context.moveTo(Math.round(x) + 0.5, AXIS);
  context.lineTo(Math.round(x) + 0.5, box.height);
  context.stroke();
  context.setLineDash([]);
  context.font = `600 11px ${ink.font}`;
  const width = context.measureText("now").width + 12;
  const left = Math.min(Math.max(x - width / 2, box.left), box.width - width - 1);
  context.beginPath();
  context.roundRect(left, 6, width, 18, 9);
  context.fill();
  context.fillStyle = ink["on-bar"];
  context.fillText("now", left + 6, AXIS / 2);
}

function paintLane(context, box, scale, placed, top, marked) {
  context.fillStyle = ink.faint;
  context.fillRect(0, top + placed.height - 1, box.width, 1);
  clipToBars(context, box, AXIS);
  placed.rows.forEach((row, number) => {
    const y = top + placed.barTop + number * box.row + (box.row - BAR) / 2;
    let covered = -Infinity;
    for (let n = firstEndingAfter(row, scale.view.from); n < row.length; n++) {
      const session = row[n];
      if (session.begin_ts > scale.view.until) break;
      const right = Math.max(scale.x(session.end), scale.x(session.begin_ts) + 3);
      // What would fall into pixels that are taken cannot be told apart: one stands for all.
      if (right <= covered + 1 && session !== marked.chosen) continue;
      paintBar(context, box, scale, session, y, marked);
      covered = right;
    }
  });
  context.restore();
}

/** Draws how many sessions lived at each time, and which part of it the chart shows. */
function paintOverview(context, box, bounds, view, counts) {
  context.clearRect(0, 0, box.width, box.height);
  const most = Math.max(1, ...counts);
  const width = box.width / counts.length;
  context.fillStyle = ink.running;
  context.globalAlpha = 0.55;
  context.beginPath();
  context.moveTo(0, box.height);
  counts.forEach((count, n) => {
    const y = box.height - (count / most) * (box.height - 7);
    context.lineTo(n * width, y);
    context.lineTo((n + 1) * width, y);
  });
  context.lineTo(box.width, box.height);
  context.fill();
  context.globalAlpha = 1;
  const perMs = box.width / (bounds.until - bounds.from);
  const left = Math.max((view.from - bounds.from) * perMs, 0);
  const right = Math.min((view.until - bounds.from) * perMs, box.width);
  context.fillStyle = ink.surface;
  context.globalAlpha = 0.7;
  context.fillRect(0, 0, left, box.height);
  context.fillRect(right, 0, box.width - right, box.height);
  context.globalAlpha = 1;
  context.strokeStyle = ink.accent;
  context.lineWidth = 1.5;
  context.strokeRect(left + 0.75, 0.75, Math.max(right - left - 1.5, 2), box.height - 1.5);
}
