// Judging by hand: one document at a time, where it decides most.
import { call, follow, query as parameters } from "./api.js";
import { Failure, Passage, Progress, PROSE, useTokens } from "./parts.js";
import { html, useEffect, useState } from "./vendor/htm-preact.js";

const KEYS = { y: 1, n: 0, 0: 0, 1: 1, 2: 2, 3: 3, s: null };

function Standing({ state }) {
  const { standing } = state;
  return html`<div class="standing"><p role="status">${state.sentence}</p>
    <table><thead><tr><th scope="col">ahead</th><th scope="col">behind</th><th scope="col">by (nDCG@5)</th></tr></thead>
    <tbody>${standing.pairs.map((pair) => {
      const [ahead, behind] = pair.difference >= 0 ? [pair.first, pair.second] : [pair.second, pair.first];
      return html`<tr><td>${ahead}</td><td>${behind}</td><td>${Math.abs(pair.difference).toFixed(3)}${pair.error === null ? "" : ` ± ${pair.error.toFixed(3)}`}
        ${pair.better ? " decided" : ""}</td></tr>`;
    })}</tbody></table></div>`;
}

function Session({ name, index, onEnd }) {
  const [state, setState] = useState(null);
  const [failed, setFailed] = useState("");
  const hit = state?.question?.hit;
  const tokens = useTokens(hit ? [hit] : [], index);
  useEffect(() => {
    call(`/v1/judge/${encodeURIComponent(name)}${parameters({ index })}`).then(setState, (error) => setFailed(error.message));
  }, [name]);

  function answer(action, grade = null) {
    const asked = state?.question;
    if (!asked && action !== "undo") return;
    setFailed("");
    call(`/v1/judge/${encodeURIComponent(name)}`, {
      query: asked?.query || "", document: asked?.document || "", grade, action, index,
    }).then(setState, (error) => setFailed(error.message));
  }
  useEffect(() => {
    function key(event) {
      if (["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key in KEYS) answer("answer", KEYS[event.key]);
      else if (event.key === "u") answer("undo");
      else if (event.key === "x") answer("skip");
      else return;
      event.preventDefault();
    }
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, [state]);

  if (!state) return failed ? html`<${Failure}>${failed}</${Failure}>` : html`<p class="status">Looking ...</p>`;
  const asked = state.question;
  return html`<div>
    <p><button onClick=${onEnd}>All sessions</button> <b>${name}</b> <span class="status">${state.configurations.join(" · ")}</span></p>
    ${failed && html`<${Failure}>${failed}</${Failure}>`}
    ${asked ? html`<section class="asked" aria-label="Question">
      <h2>${asked.text}</h2>
      <p class="place">${asked.document}${hit ? `:${hit.lines[0]}-${hit.lines[1]}` : ""}</p>
      ${hit ? html`<pre tabindex="0" aria-label="Passage" class=${PROSE.includes(hit.granularity) ? "prose" : ""}>${hit.indent}<${Passage} text=${hit.text} query=${asked.text} tokens=${tokens[hit.id]} /></pre>`
        : html`<p>It is not in the index any more.</p>`}
      <p>Is the document an answer?</p>
      <div class="actions grades">
        <button onClick=${() => answer("answer", 1)}><kbd>y</kbd> yes</button>
        <button onClick=${() => answer("answer", 0)}><kbd>n</kbd> no</button>
        <button onClick=${() => answer("answer", 2)}><kbd>2</kbd> good</button>
        <button onClick=${() => answer("answer", 3)}><kbd>3</kbd> perfect</button>
        <button onClick=${() => answer("answer", null)}><kbd>s</kbd> cannot say</button>
        <button onClick=${() => answer("skip")}><kbd>x</kbd> skip query</button>
        <button onClick=${() => answer("undo")}><kbd>u</kbd> undo</button>
      </div>
    </section>` : html`<p>Nothing is left to ask. <button onClick=${() => answer("undo")}><kbd>u</kbd> undo</button></p>`}
    <${Standing} state=${state} />
    <p class="status">${state.judgements} judgements are kept; <a href="#evaluate">evaluate</a> can use them.</p>
  </div>`;
}

export function Judge({ index }) {
  const [sessions, setSessions] = useState(null);
  const [open, setOpen] = useState("");
  const [name, setName] = useState("");
  const [lines, setLines] = useState("");
  const [job, setJob] = useState(null);
  const [failed, setFailed] = useState("");
  const list = () => call(`/v1/judge${parameters({ index })}`).then((found) => setSessions(found.sessions), (error) => setFailed(error.message));
  useEffect(() => { setOpen(""); list(); }, [index]);
  async function begin(event) {
    event.preventDefault();
    setFailed("");
    const texts = lines.split("\n").map((line) => line.trim()).filter(Boolean);
    try {
      await follow(await call("/v1/judge", { name, queries: texts.map((text, place) => ({ id: `q${place + 1}`, text })), index }), setJob);
      setOpen(name);
      list();
    } catch (error) { setFailed(error.message); }
  }
  if (open) return html`<${Session} name=${open} index=${index} onEnd=${() => { setOpen(""); list(); }} />`;
  return html`<div>
    <h2>Judge</h2>
    <p>Your own queries, and some minutes of yes and no: the most reliable way to learn what works here.
      It asks about the document that decides most, and says when it is settled.</p>
    ${sessions?.length > 0 && html`<ul class="plain" aria-label="Sessions">${sessions.map((each) => html`<li><button onClick=${() => setOpen(each)}>Go on with ${each}</button></li>`)}</ul>`}
    <form onSubmit=${begin}>
      <label class="tall">name of a new session <input required pattern="[A-Za-z0-9][A-Za-z0-9._\\-]*" value=${name} onInput=${(event) => setName(event.target.value)} /></label>
      <label class="tall">queries, one on each line <textarea required rows="6" value=${lines} onInput=${(event) => setLines(event.target.value)}></textarea></label>
      <button class="first" disabled=${job?.state === "running"}>Start</button>
    </form>
    <${Progress} job=${job} />
    ${failed && html`<${Failure}>${failed}</${Failure}>`}
  </div>`;
}
