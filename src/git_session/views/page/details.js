// What is told of one session: beside the chart when it is chosen, at the pointer before that.

/** Makes an element with text or other elements in it; no text is ever read as HTML. */
function make(name, attributes, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

const isolated = (text) => make("bdi", {}, text);

function choose(session, { isRevealed = true } = {}) {
  marked.chosen = session;
  chart.dataset.chosen = session?.session_id ?? "";
  fillDetails(session);
  markRow(session);
  if (session && isRevealed) reveal(session);
  if (session) announce(describe(session));
  requestDraw();
}

function announce(sentence) {
  element("announced").textContent = sentence;
}

/** A session in one sentence, for those who hear the page. */
function describe(session) {
  const began = formatMoment(session.begin_ts);
  return [
    `${session.engine} session ${session.session_id}: ${session.words}`,
    `on ${session.lane.title || session.lane.task_id}`,
    `began ${began}, lasted ${formatLength(session.end - session.begin_ts)}`,
  ].join(", ");
}

function badge(session) {
  const made = make("span", { class: "badge", "data-outcome": session.outcome });
  made.append(make("i", { class: "swatch", "aria-hidden": "true" }), isolated(session.words));
  return made;
}

function fillDetails(session) {
  element("details").hidden = !session;
  element("details").replaceChildren(...(session ? describeAll(session) : []));
}

function describeAll(session) {
  const heading = make("h2", { id: "details-title" }, isolated(session.lane.title || "(no title)"));
  const id = make("p", { class: "id" }, make("code", {}, isolated(session.session_id)));
  const close = make("button", { type: "button", class: "close", "aria-label": "Close the details" }, "×");
  close.addEventListener("click", () => {
    choose(null);
    chart.focus();
  });
  return [close, badge(session), heading, id, makeFacts(session), ...makeHistory(session)];
}

function makeFacts(session) {
  const facts = [
    ["Task", session.lane.task_id],
    ["Engine", session.engine],
    ["Role", `${session.role}, ${session.session_type}`],
    ["Host", session.host],
    ["Began", formatMoment(session.begin_ts)],
    ["Alive", session.isLive ? `${session.verdict}, ${session.reason}` : ""],
    [session.isLive ? "Last sign" : "Ended", formatMoment(session.isLive ? session.seen_ts : session.end)],
    ["Lasted", formatLength(session.end - session.begin_ts)],
    ["Worktree", session.worktree],
    ["Commit", session.commit.slice(0, 10)],
  ];
  const list = make("dl", {});
  for (const [name, value] of facts) {
    if (value) list.append(make("dt", {}, name), make("dd", {}, isolated(value)));
  }
  return list;
}

function makeHistory(session) {
  const steps = session.marks.map((mark) => {
    const outcome = mark.state === "exit" ? session.outcome : mark.state;
    const step = make("li", { "data-outcome": OUTCOMES.includes(outcome) ? outcome : "" });
    step.append(make("time", {}, formatClock(mark.ts)), make("b", {}, mark.state));
    if (mark.note) step.append(make("q", {}, isolated(mark.note)));
    return step;
  });
  return steps.length ? [make("h3", {}, "History"), make("ol", { class: "history" }, ...steps)] : [];
}

// ------------------------------------------------------------------------------- at the pointer

function hover(session, x, y) {
  if (marked.hovered !== session) {
    marked.hovered = session;
    canvas.style.cursor = session ? "pointer" : "";
    if (session) fillTip(session);
    requestDraw();
  }
  const tip = element("tip");
  tip.hidden = !session;
  if (!session) return;
  const room = { width: document.documentElement.clientWidth, height: window.innerHeight };
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${clamp(x + 14, 8, Math.max(room.width - width - 8, 8))}px`;
  tip.style.top = `${y + 18 + height > room.height ? y - height - 12 : y + 18}px`;
}

function fillTip(session) {
  const length = formatLength(session.end - session.begin_ts);
  element("tip").replaceChildren(
    make("b", {}, isolated(session.lane.title || session.lane.task_id)),
    make("span", {}, isolated(`${session.engine} · ${session.session_id}`)),
    badge(session),
    make("span", {}, `${formatMoment(session.begin_ts)} · ${length}`)
  );
}
