// Which configuration finds most here: start, progress, the answer.
import { call, follow, page } from "./api.js";
import { Failure, Progress } from "./parts.js";
import { html, useEffect, useState } from "./vendor/htm-preact.js";

const figure = (value) => (value === null || Number.isNaN(value) ? "–" : value.toFixed(3).replace(/^(-?)0/, "$1"));

// The means with their intervals on one scale.
function Intervals({ verdict }) {
  const rows = [...verdict.configurations].sort((a, b) => b.mean - a.mean);
  const ends = rows.flatMap((each) => [each.low, each.high, each.mean]).filter((value) => value !== null);
  const low = Math.min(...ends);
  const span = Math.max(...ends) - low || 1;
  const at = (value) => (100 * (value - low)) / span;
  return html`<ol class="intervals">${rows.map((each) => {
    const kind = each.name === verdict.choice ? "choice" : each.tied_with_best ? "tied" : "behind";
    const word = { choice: "use this", tied: "tied", behind: "behind" }[kind];
    return html`<li class=${kind}><span class="name">${each.name}</span>
      <svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=${`${figure(each.low)} to ${figure(each.high)}`}>
        ${each.low !== null && html`<path class="span" d=${`M${at(each.low)} 5H${at(each.high)}`} />`}<path class="dot" d=${`M${at(each.mean)} 5h0`} /></svg>
      <span class="mean">${figure(each.mean)}</span><span class="word">${word}</span></li>`;
  })}</ol>`;
}

function Verdict({ verdict, job }) {
  const [failed, setFailed] = useState("");
  async function open() {
    try {
      const report = new Blob([await page(`/v1/jobs/${job}/report`)], { type: "text/html" });
      window.open(URL.createObjectURL(report), "_blank");
    } catch (error) { setFailed(error.message); }
  }
  return html`<section aria-label="Verdict">
    <h2>${verdict.choice ? html`Use <code>${verdict.choice}</code>` : "Nothing decides"}</h2>
    <p>${verdict.reason}</p>
    <p class="status">${verdict.measure} of ${verdict.queries.toLocaleString("en")} ${verdict.source} queries${verdict.kept_default ? "; the default stays" : ""}</p>
    ${verdict.configurations.length > 0 && html`<${Intervals} verdict=${verdict} />`}
    ${verdict.queries > 0 && html`<p><button onClick=${open}>Open the report</button></p>`}
    ${failed && html`<${Failure}>${failed}</${Failure}>`}
  </section>`;
}

export function Evaluate({ index }) {
  const [sessions, setSessions] = useState([]);
  const [judged, setJudged] = useState("");
  const [keep, setKeep] = useState(false);
  const [job, setJob] = useState(null);
  const [failed, setFailed] = useState("");
  useEffect(() => {
    call(`/v1/judge${index ? `?index=${encodeURIComponent(index)}` : ""}`).then((found) => setSessions(found.sessions), () => {});
  }, [index]);
  async function start() {
    setFailed("");
    setJob(null);
    try {
      await follow(await call("/v1/evaluate", { keep, judged: judged || null, index }), setJob);
    } catch (error) { setFailed(error.message); }
  }
  const running = job?.state === "running";
  return html`<div>
    <h2>Evaluate</h2>
    <p>Measures on this corpus which encoder, size and ranker find most, with intervals. Queries are made from the corpus itself,
      or are those that you <a href="#judge">judged</a>. Takes minutes.</p>
    <div class="choices">
      <label>queries <select value=${judged} onChange=${(event) => setJudged(event.target.value)}>
        <option value="">made from the corpus</option>${sessions.map((name) => html`<option value=${name}>judged: ${name}</option>`)}</select></label>
      <label><input type="checkbox" checked=${keep} onChange=${(event) => setKeep(event.target.checked)} /> let searches follow</label>
      <button class="first" onClick=${start} disabled=${running}>Start</button>
    </div>
    <${Progress} job=${job} />
    ${failed && html`<${Failure}>${failed}</${Failure}>`}
    ${job?.state === "done" && html`<${Verdict} verdict=${job.result} job=${job.id} />`}
  </div>`;
}
