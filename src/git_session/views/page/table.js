// The table beneath the chart: the same sessions, sorted and filtered with it.

const body = element("rows");
const rows = new Map();
for (const row of body.rows) rows.set(sessions[row.dataset.n], row);

const SORT_KEYS = {
  outcome: (session) => OUTCOMES.indexOf(session.outcome),
  session: (session) => session.session_id,
  task: (session) => session.lane.title.toLowerCase(),
  engine: (session) => session.engine,
  role: (session) => session.role,
  host: (session) => session.host,
  began: (session) => session.begin_ts,
  lasted: (session) => session.end - session.begin_ts,
};

/** Rows that are shown at first: a table of thousands takes long to lay out. */
const FEW_ROWS = 100;
let mostRows = FEW_ROWS;

function filterTable() {
  let fitting = 0;
  for (const row of body.rows) {
    const isFitting = isShown(sessions[row.dataset.n]);
    if (isFitting) fitting += 1;
    const isHidden = !isFitting || fitting > mostRows;
    if (row.hidden !== isHidden) row.hidden = isHidden;
  }
  element("more").hidden = fitting <= mostRows;
  element("more-count").textContent = `${mostRows} of ${formatNumber(fitting)} are shown.`;
}

function showAllRows() {
  mostRows = Infinity;
  filterTable();
}

function sortTable(heading) {
  const isDown = heading.getAttribute("aria-sort") !== "descending";
  for (const other of document.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", isDown ? "descending" : "ascending");
  const key = SORT_KEYS[heading.dataset.key];
  const sign = isDown ? -1 : 1;
  const sorted = [...rows].sort(([one], [other]) => {
    const [a, b] = [key(one), key(other)];
    return a < b ? -sign : a > b ? sign : 0;
  });
  body.append(...sorted.map(([, row]) => row));
  filterTable();
}

function markRow(session) {
  body.querySelector("[aria-current]")?.removeAttribute("aria-current");
  rows.get(session)?.setAttribute("aria-current", "true");
}

function retime() {
  for (const time of document.querySelectorAll("time[data-ts]")) {
    time.textContent = formatStamp(Number(time.dataset.ts));
  }
  element("zone").textContent = zoneName();
}

element("all-rows").addEventListener("click", showAllRows);

for (const heading of document.querySelectorAll("th[data-key]")) {
  heading.querySelector("button").addEventListener("click", () => sortTable(heading));
}

body.addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (!row || window.getSelection()?.toString()) return;
  choose(sessions[row.dataset.n]);
  if (event.target.closest("button")) element("details").scrollIntoView({ block: "nearest" });
});
