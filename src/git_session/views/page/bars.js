// Draws one bar: the states that it went through, what is silent, how it ended, who worked.

const BAR = 18;
const SIGN = 7;
const TINY = 6;

function paintBar(context, box, scale, session, y, marked) {
  const left = Math.max(scale.x(session.begin_ts), box.left - 20);
  const end = Math.max(scale.x(session.end), scale.x(session.begin_ts) + 3);
  const right = Math.min(end, box.width + 20);
  const heard = session.isQuiet ? Math.max(scale.x(session.seen_ts), left + 3) : right;
  if (right - left < TINY) {
    context.fillStyle = ink[session.outcome];
    context.fillRect(left, y, right - left, BAR);
  } else {
    paintSpans(context, scale, session, y, { left, right: Math.min(heard, right) });
  }
  if (heard < right) paintSilence(context, heard, right, y);
  if (end <= box.width + 20 && right - left >= TINY) paintEnd(context, session, end, y, right - left);
  paintText(context, box, scale, session, y, { left, right: Math.min(heard, right) });
  if (session === marked.chosen || session === marked.hovered) {
    paintRing(context, { left, right, y }, session === marked.chosen);
  }
}

function paintSpans(context, scale, session, y, { left, right }) {
  context.save();
  context.beginPath();
  const radius = Math.min(4, (right - left) / 2);
  context.roundRect(left, y, right - left, BAR, session.isLive ? [radius, 0, 0, radius] : radius);
  context.clip();
  for (const [state, from, until] of session.spans) {
    const x = Math.max(scale.x(from), left);
    const width = Math.min(scale.x(until), right) - x;
    if (width <= 0) continue;
    paintSpan(context, state, x, y, Math.max(width, 1), session.isLive);
  }
  if (!session.spans.length || right - left <= 4) {
    context.fillStyle = ink[session.outcome];
    context.fillRect(left, y, right - left, BAR);
  }
  context.restore();
}

function paintSpan(context, state, x, y, width, isLive, isPlain = false) {
  context.fillStyle = ink[state];
  if (!isLive) paintTint(context, x, y, width);
  context.globalAlpha = state === "spawned" ? 0.25 : isLive ? 1 : 0.55;
  context.fillRect(x, y, width, BAR);
  context.globalAlpha = 1;
  if (isPlain) return;
  if (state === "spawned") {
    context.fillRect(x, y, width, 1.5);
    context.fillRect(x, y + BAR - 1.5, width, 1.5);
    context.fillRect(x, y, 1.5, BAR);
  } else if (ink.patterns[state]) {
    context.fillStyle = ink.patterns[state];
    context.fillRect(x, y, width, BAR);
  }
}

/** What shines through a paler bar is the ground, not what was drawn there before. */
function paintTint(context, x, y, width) {
  const color = context.fillStyle;
  context.fillStyle = ink.surface;
  context.fillRect(x, y, width, BAR);
  context.fillStyle = color;
}

function paintSilence(context, left, right, y) {
  context.strokeStyle = ink.muted;
  context.lineWidth = 1.5;
  context.setLineDash([1.5, 4]);
  context.beginPath();
  context.moveTo(left + 2, y + BAR / 2);
  context.lineTo(right, y + BAR / 2);
  context.stroke();
  context.setLineDash([]);
  context.lineWidth = 1;
}

/** Shows how a bar ends: a tick for exit 0, a cross for any other exit, an arrow while it lives. */
function paintEnd(context, session, x, y, width) {
  const middle = y + BAR / 2;
  if (session.isDead) return paintCross(context, x - SIGN - 2, middle, ink.failed);
  if (session.isLive) {
    if (session.isQuiet) return;
    context.fillStyle = ink[session.outcome];
    context.beginPath();
    context.moveTo(x - 0.5, y);
    context.lineTo(x + 7, middle);
    context.lineTo(x - 0.5, y + BAR);
    context.fill();
    return;
  }
  context.fillStyle = ink[session.outcome];
  if (width < SIGN * 2 + 2) {
    context.fillRect(x - 2, y, 2, BAR);
    return;
  }
  context.beginPath();
  context.arc(x - SIGN - 2, middle, SIGN, 0, 7);
  context.fill();
  context.strokeStyle = ink["on-bar"];
  context.lineWidth = 1.6;
  const center = x - SIGN - 2;
  if (session.outcome === "failed") return paintCross(context, center, middle, ink["on-bar"]);
  context.beginPath();
  context.moveTo(center - 3.2, middle + 0.2);
  context.lineTo(center - 0.8, middle + 2.6);
  context.lineTo(center + 3.4, middle - 2.4);
  context.stroke();
  context.lineWidth = 1;
}

function paintCross(context, x, y, color) {
  const reach = 2.6;
  context.strokeStyle = color;
  context.lineWidth = 1.6;
  context.beginPath();
  context.moveTo(x - reach, y - reach);
  context.lineTo(x + reach, y + reach);
  context.moveTo(x + reach, y - reach);
  context.lineTo(x - reach, y + reach);
  context.stroke();
  context.lineWidth = 1;
}

/** Writes who works into the longest part of a bar that can be seen, if there is room. */
function paintText(context, box, scale, session, y, { left, right }) {
  const ends = { left: Math.max(left, box.left), right: session.isLive ? right : right - SIGN * 2 - 4 };
  const part = longestPart(scale, session, ends);
  if (!part || part.right - part.left < 40) return;
  context.font = `600 11.5px ${ink.font}`;
  const room = part.right - part.left - 12;
  const long = `${session.engine} ${session.session_id.slice(-4)}`;
  const text = context.measureText(long).width <= room ? long : session.engine;
  const width = context.measureText(text).width;
  if (width > room) return;
  if (ink.patterns[part.state]) paintSpan(context, part.state, part.left + 1, y, width + 10, session.isLive, true);
  context.textBaseline = "middle";
  context.direction = "ltr";
  context.fillStyle = session.isLive && part.state !== "spawned" ? ink["on-bar"] : ink.ink;
  context.fillText(text, part.left + 6, y + BAR / 2 + 0.5);
}

function longestPart(scale, session, ends) {
  let longest = null;
  for (const [state, from, until] of session.spans) {
    const left = Math.max(scale.x(from), ends.left);
    const right = Math.min(scale.x(until), ends.right);
    if (!longest || right - left > longest.right - longest.left) longest = { state, left, right };
  }
  return longest;
}

function paintRing(context, { left, right, y }, isChosen) {
  context.strokeStyle = isChosen ? ink.accent : ink.muted;
  context.lineWidth = isChosen ? 2.5 : 1.5;
  context.beginPath();
  context.roundRect(left - 3, y - 3, right - left + 6, BAR + 6, 6);
  context.stroke();
  context.lineWidth = 1;
}
