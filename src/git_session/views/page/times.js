// Times and lengths as people read them, in UTC or in the reader's own zone.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [1, 2, 5, 10, 15, 30].map((n) => n * MINUTE)
  .concat([1, 2, 3, 6, 12].map((n) => n * HOUR))
  .concat([1, 2, 7, 14, 28, 91, 364].map((n) => n * DAY));

const zone = { isUtc: true };

function makeFormat(options) {
  const both = [true, false].map((isUtc) =>
    new Intl.DateTimeFormat("en-GB", { ...options, timeZone: isUtc ? "UTC" : undefined })
  );
  return (ts) => both[zone.isUtc ? 0 : 1].format(ts);
}

const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const formatClock = makeFormat(clock);
const formatDay = makeFormat({ day: "numeric", month: "short" });
const formatYear = makeFormat({ year: "numeric" });
const formatWeekday = makeFormat({ weekday: "short", day: "numeric", month: "short" });
const formatSeconds = makeFormat({ ...clock, second: "2-digit" });
const formatDate = makeFormat({ day: "numeric", month: "short", year: "numeric" });

const formatNumber = new Intl.NumberFormat("en-GB").format;

function formatMoment(ts) {
  return `${formatDate(ts)}, ${formatSeconds(ts)}`;
}

/** A time for a table: all digits, so that a column of them is even. */
function formatStamp(ts) {
  const shift = zone.isUtc ? 0 : offsetAt(ts);
  return new Date(ts + shift).toISOString().slice(0, 16).replace("T", " ");
}

function formatLength(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours}h ${minutes % 60}m` : `${hours}h`;
  return hours % 24 ? `${Math.floor(hours / 24)}d ${hours % 24}h` : `${Math.floor(hours / 24)}d`;
}

/** The name of the zone that times are shown in. */
function zoneName() {
  if (zone.isUtc) return "UTC";
  const parts = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts(data.now);
  return parts.find((part) => part.type === "timeZoneName").value;
}

function offsetAt(ts) {
  return -new Date(ts).getTimezoneOffset() * MINUTE;
}

/** Round times between two, at most `most` of them, with the step between. */
function planTicks(from, until, most) {
  const step = STEPS.find((length) => (until - from) / length < most) ?? STEPS.at(-1) * 10;
  const shift = zone.isUtc ? 0 : offsetAt(from);
  const ticks = [];
  for (let ts = Math.ceil((from + shift) / step) * step - shift; ts <= until; ts += step) {
    // Where summer time begins or ends, a day is not 24 hours.
    ticks.push(zone.isUtc || step < DAY ? ts : ts + shift - offsetAt(ts));
  }
  return { step, ticks };
}

function isMidnight(ts) {
  return (ts + (zone.isUtc ? 0 : offsetAt(ts))) % DAY === 0;
}

function formatTick(ts, step) {
  if (step > 300 * DAY) return formatYear(ts);
  if (step >= DAY) return formatDay(ts);
  return isMidnight(ts) ? formatWeekday(ts) : formatClock(ts);
}
