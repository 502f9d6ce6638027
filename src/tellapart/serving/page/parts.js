// Pieces that several views share.
import { call } from "./api.js";
import { html, useEffect, useState } from "./vendor/htm-preact.js";

export const PROSE = ["sentence", "paragraph", "section", "document"];

export function words(query) {
  return [...new Set((query.toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu) || []).map((word) => word.slice(0, 6)))];
}

// Short words only match themselves: "of" is not the beginning of "offset".
function matches(part, stem) {
  return stem.length > 3 ? part.startsWith(stem) : part === stem;
}

function marked(text, stems) {
  if (!stems.length) return text;
  return text.split(/([\p{L}\p{N}_]+)/u)
    .map((part) => (stems.some((stem) => matches(part.toLowerCase(), stem)) ? html`<mark>${part}</mark>` : part));
}

// A text with the query's words marked and, for code, its pieces in colours.
export function Passage({ text, query, tokens }) {
  const stems = words(query || "");
  if (!tokens?.length) return marked(text, stems);
  const letters = [...text]; // the server counts code points
  const shown = [];
  let at = 0;
  for (const { start, end, kind } of tokens) {
    if (start < at) continue;
    shown.push(marked(letters.slice(at, start).join(""), stems));
    shown.push(html`<span class=${kind}>${marked(letters.slice(start, end).join(""), stems)}</span>`);
    at = end;
  }
  shown.push(marked(letters.slice(at).join(""), stems));
  return shown;
}

// The pieces of units of code, asked for together.
export function useTokens(hits, index) {
  const ids = hits.filter((hit) => !PROSE.includes(hit.granularity) && hit.granularity !== "image").map((hit) => hit.id);
  const [tokens, setTokens] = useState({});
  const key = ids.join("\n");
  useEffect(() => {
    const missing = ids.filter((id) => !(id in tokens));
    if (!missing.length) return;
    call("/v1/highlight", { ids: missing.slice(0, 200), index }).then(
      (found) => setTokens((before) => ({ ...before, ...found.units })), () => {});
  }, [key]);
  return tokens;
}

export function Failure({ children }) {
  return html`<p class="error" role="alert">${children}</p>`;
}

export function Progress({ job }) {
  if (!job || job.state !== "running") return null;
  const share = job.total ? Math.min(1, job.done / job.total) : null;
  return html`<div class="progress" role="status">
    <progress aria-label=${job.step || "starting"} max="1" value=${share}></progress>
    <span>${job.step || "starting"}${job.total ? ` ${job.done.toLocaleString("en")} of ${job.total.toLocaleString("en")}` : ""}</span>
  </div>`;
}

// Counts in equal bins; `at` marks a value.
export function Histogram({ label, low, high, counts, at, caption }) {
  if (!counts.length) return null;
  const top = Math.max(...counts, 1);
  const width = 100 / counts.length;
  const steps = counts.map((count, place) => `V${(40 - 38 * Math.sqrt(count / top)).toFixed(1)}H${((place + 1) * width).toFixed(2)}`).join("");
  const place = at === undefined || at === null ? null : Math.max(0, Math.min(100, (100 * (at - low)) / (high - low || 1)));
  const figure = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2));
  return html`<figure class="histogram">
    <svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label=${label}>
      <path class="area" d=${`M0 40${steps}V40Z`} />
      ${place !== null && html`<path class="here" d=${`M${place} 0V40`} />`}
    </svg>
    <figcaption><span>${figure(low)}</span><span>${caption || label}</span><span>${figure(high)}</span></figcaption>
  </figure>`;
}

export const short = (text, most) => (text.length > most ? `${text.slice(0, most)}…` : text);
