// Who is it: enrolling by dropping pictures, identifying, grouping the unknown.
import { call, query as parameters } from "./api.js";
import { Failure } from "./parts.js";
import { html, useEffect, useState } from "./vendor/htm-preact.js";

function read(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });
}

async function itemsOf(files, pictures) {
  return Promise.all([...files].map(async (file) => (pictures ? { name: file.name, picture: await read(file) } : { name: file.name, text: await file.text() })));
}

function Picture({ thumbnail, name }) {
  return thumbnail ? html`<img src=${`data:image/jpeg;base64,${thumbnail}`} alt=${name} />` : html`<span class="place">${name}</span>`;
}

function Found({ found }) {
  return html`<ul class="views">${found.map((each) => html`<li class="view">
    <${Picture} thumbnail=${each.thumbnail} name=${each.source} />
    <div><b class=${each.name ? "" : "only"}>${each.name || "unknown"}</b>
      ${each.candidates.map((candidate) => html`<div class="detail">${candidate.name} ${candidate.probability === null ? `score ${candidate.score.toFixed(2)}` : html`<meter min="0" max="1" value=${candidate.probability} aria-label=${candidate.name}></meter> ${candidate.probability.toFixed(2)}`}</div>`)}
      ${each.complaints.map((said) => html`<div class="detail">${said}</div>`)}</div></li>`)}</ul>`;
}

function Groups({ groups, onEnrol }) {
  return html`<div><p>${groups.groups.length} groups; there may be ${groups.low} to ${groups.high}.</p>
    ${groups.groups.map((group, place) => html`<section class="hit" aria-label=${`Group ${place + 1}`}>
      <ul class="views">${group.members.map((each) => html`<li class="view"><${Picture} thumbnail=${each.thumbnail} name=${each.source} /></li>`)}</ul>
      <p class="status">${group.name ? `known as ${group.name}` : "unknown"} · mistake inside with probability ${group.doubt.toFixed(2)}</p>
      <div class="actions"><button onClick=${() => onEnrol(group)}>Enrol as the name above</button></div></section>`)}</div>`;
}

export function Identities() {
  const [gallery, setGallery] = useState(null);
  const [chosen, setChosen] = useState("");
  const [files, setFiles] = useState([]);
  const [name, setName] = useState("");
  const [answer, setAnswer] = useState(null);
  const [busy, setBusy] = useState(false);
  const [over, setOver] = useState(false);
  const [failed, setFailed] = useState("");
  const which = chosen || null;
  const list = () => call(`/v1/identities${parameters({ gallery: which })}`).then(setGallery, (error) => setFailed(error.message));
  useEffect(() => { list(); }, [chosen]);
  async function ask(path, more, only) {
    setBusy(true);
    setFailed("");
    try {
      const items = await itemsOf(only || files, gallery.pictures);
      const found = await call(path, { items, gallery: which, ...more });
      setAnswer({ path, found });
      if (path === "/v1/identities") { setFiles([]); list(); }
    } catch (error) { setFailed(error.message); }
    setBusy(false);
  }
  async function forget(who) {
    if (!confirm(`Forget ${who}, on the disk too?`)) return;
    await call(`/v1/identities/${encodeURIComponent(who)}${parameters({ gallery: which })}`, null, { method: "DELETE" }).catch((error) => setFailed(error.message));
    list();
  }
  const enrolGroup = (group) => {
    const sources = new Set(group.members.map((each) => each.source));
    if (!name.trim()) { setFailed("write the name first"); return; }
    ask("/v1/identities", { name: name.trim(), anyway: true }, files.filter((file) => sources.has(file.name)));
  };
  const drop = (event) => { event.preventDefault(); setOver(false); setFiles([...event.dataTransfer.files]); setAnswer(null); };
  if (!gallery) return failed ? html`<${Failure}>${failed}</${Failure}>` : html`<p class="status">Looking ...</p>`;
  const what = gallery.pictures ? "pictures" : "text files";
  return html`<div>
    <h2>Identities</h2>
    ${gallery.galleries.length > 1 && html`<label>gallery <select value=${chosen} onChange=${(event) => setChosen(event.target.value)}>
      ${gallery.galleries.map((each) => html`<option value=${each}>${each}</option>`)}</select></label>`}
    <div class=${`drop ${over ? "over" : ""}`} onDragOver=${(event) => { event.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)} onDrop=${drop}>
      <label>Drop ${what} here, or choose them <input type="file" multiple accept=${gallery.pictures ? "image/*" : "text/*"} onChange=${(event) => { setFiles([...event.target.files]); setAnswer(null); }} /></label>
      <p class="status" role="status">${files.length ? `${files.length} chosen` : "Nothing chosen"}</p>
    </div>
    <div class="choices">
      <button class="first" disabled=${busy || !files.length} onClick=${() => ask("/v1/identify", {})}>Identify</button>
      <button disabled=${busy || !files.length} onClick=${() => ask("/v1/identities/groups", {})}>Group</button>
      <label>name <input value=${name} onInput=${(event) => setName(event.target.value)} /></label>
      <button disabled=${busy || !files.length || !name.trim()} onClick=${() => ask("/v1/identities", { name: name.trim() })}>Enrol</button>
    </div>
    ${busy && html`<p class="status" role="status">Looking ...</p>`}
    ${failed && html`<${Failure}>${failed}</${Failure}>`}
    ${answer?.found.problems?.map((each) => html`<p class="error">${each}</p>`)}
    ${answer?.path === "/v1/identify" && html`<${Found} found=${answer.found.found} />`}
    ${answer?.path === "/v1/identities/groups" && html`<${Groups} groups=${answer.found} onEnrol=${enrolGroup} />`}
    ${answer?.path === "/v1/identities" && html`<p role="status">${answer.found.views} enrolled as ${answer.found.name}.</p>`}
    <h3>Enrolled (${gallery.encoder})</h3>
    <div class="scroll" tabindex="0" role="group" aria-label="Enrolled"><table><thead><tr><th scope="col">name</th><th scope="col">views</th><th scope="col">since</th><th scope="col">consent</th><th scope="col">forget</th></tr></thead>
      <tbody>${gallery.identities.map((each) => html`<tr><td>${each.name}${each.cohort ? " (stranger)" : ""}</td><td>${each.templates}</td><td>${each.added.slice(0, 10)}</td><td>${each.consent || "–"}</td>
        <td><button aria-label=${`Forget ${each.name}`} onClick=${() => forget(each.name)}>×</button></td></tr>`)}</tbody></table></div>
  </div>`;
}
