// The sessions as the page knows them: read once, filtered, laid out in lanes.

/** What a session is now: the state it is in, or how it ended. */
const OUTCOMES = ["spawned", "ready", "running", "handoff", "done", "failed"];
const OUTCOME_WORDS = { done: "exit 0", failed: "failed" };
const NOT_RECORDED = "not recorded";
const QUIET_AFTER = 30 * 60 * 1000;

const data = JSON.parse(document.getElementById("data").textContent);

const sessions = data.lanes.flatMap((lane) => lane.bars.map((bar) => describeSession(bar, lane)));

const filters = { words: [], hidden: new Set(), engine: "", role: "", host: "", order: "newest" };

function describeSession(bar, lane) {
  const outcome = outcomeOf(bar);
  const texts = [bar.session_id, lane.task_id, lane.title, bar.engine, bar.role, bar.session_type];
  texts.push(bar.worktree, bar.host, bar.words, lane.status, outcomeWord(outcome));
  return {
    ...bar,
    lane,
    outcome,
    host: bar.host ?? NOT_RECORDED,
    end: bar.end_ts ?? Math.max(data.now, bar.seen_ts),
    isLive: bar.end_ts === null,
    isDead: bar.verdict === "dead",
    isQuiet: isQuiet(bar),
    text: texts.filter(Boolean).join("\n").toLowerCase(),
  };
}

/** Whether nothing was heard of a session for so long that its bar should not say it is at work. */
function isQuiet(bar) {
  if (bar.end_ts !== null || bar.verdict === "alive") return false;
  return bar.verdict === "dead" || data.now - bar.seen_ts > QUIET_AFTER;
}

function outcomeOf(bar) {
  if (bar.state !== "exit") return bar.state;
  return bar.exit_code === 0 ? "done" : "failed";
}

function outcomeWord(outcome) {
  return OUTCOME_WORDS[outcome] ?? outcome;
}

function isShown(session) {
  return (
    !filters.hidden.has(session.outcome) &&
    (!filters.engine || session.engine === filters.engine) &&
    (!filters.role || session.role === filters.role) &&
    (!filters.host || session.host === filters.host) &&
    filters.words.every((word) => session.text.includes(word))
  );
}

/** The different values of a field, with how many sessions have each. */
function countValues(field) {
  const counts = new Map();
  for (const session of sessions) {
    counts.set(session[field], (counts.get(session[field]) ?? 0) + 1);
  }
  return counts;
}

/** Lays out what the filters show: lanes from the top, each with the rows that its bars need. */
function layOutLanes(sizes) {
  const byLane = new Map(data.lanes.map((lane) => [lane, []]));
  for (const session of sessions) {
    if (isShown(session)) byLane.get(session.lane).push(session);
  }
  const lanes = [...byLane]
    .filter(([, shown]) => shown.length)
    .map(([lane, shown]) => ({ lane, rows: packRows(shown), ...spanOf(shown) }));
  lanes.sort(ORDERS[filters.order]);
  let top = 0;
  for (const placed of lanes) {
    const bars = placed.rows.length * sizes.row + sizes.padding * 2;
    placed.top = top;
    placed.height = sizes.header + Math.max(bars, sizes.least);
    placed.barTop = sizes.header + (placed.height - sizes.header - bars) / 2 + sizes.padding;
    top += placed.height;
  }
  return { lanes, height: top };
}

const ORDERS = {
  newest: (one, other) => other.until - one.until || other.from - one.from,
  oldest: (one, other) => one.from - other.from || one.until - other.until,
  title: (one, other) => one.lane.title.localeCompare(other.lane.title),
};

function spanOf(shown) {
  return {
    from: Math.min(...shown.map((session) => session.begin_ts)),
    until: Math.max(...shown.map((session) => session.end)),
  };
}

/** Puts sessions that overlap into rows of their own; each row is in order of time. */
function packRows(shown) {
  const rows = [];
  for (const session of shown) {
    let row = rows.find((taken) => taken.at(-1).end <= session.begin_ts);
    if (!row) rows.push((row = []));
    row.push(session);
  }
  return rows;
}

/** The first session of a row that ends after a time; the row's length if there is none. */
function firstEndingAfter(row, ts) {
  let low = 0;
  let high = row.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (row[middle].end < ts) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first lane that reaches below a height; the number of lanes if there is none. */
function firstLaneBelow(lanes, y) {
  let low = 0;
  let high = lanes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lanes[middle].top + lanes[middle].height <= y) low = middle + 1;
    else high = middle;
  }
  return low;
}
