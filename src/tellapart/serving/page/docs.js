// The API as its OpenAPI describes it, to be read and tried out.
import { Failure } from "./parts.js";
import { html, render, useEffect, useState } from "./vendor/htm-preact.js";

const named = (schema) => schema?.$ref?.split("/").pop();

// A type in words.
function typed(schema) {
  if (!schema) return "";
  if (schema.$ref) return html`<a href=${`#${named(schema)}`}>${named(schema)}</a>`;
  if (schema.anyOf) return schema.anyOf.map((each, place) => [place ? " or " : "", typed(each)]);
  if (schema.type === "array") return ["list of ", typed(schema.items)];
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.additionalProperties && schema.additionalProperties !== true) return ["by name: ", typed(schema.additionalProperties)];
  return schema.type || "anything";
}

function limits(schema) {
  const known = { minimum: "from", exclusiveMinimum: "above", maximum: "to", exclusiveMaximum: "below", minLength: "characters from", maxLength: "characters to", maxItems: "at most", pattern: "like" };
  return Object.entries(known).filter(([key]) => schema[key] !== undefined).map(([key, word]) => `${word} ${schema[key].toLocaleString("en")}`).join(", ");
}

function Fields({ fields, required }) {
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Fields"><table><thead><tr><th scope="col">field</th><th scope="col">type</th><th scope="col">default</th><th scope="col">meaning</th></tr></thead>
    <tbody>${fields.map(([name, schema, must]) => html`<tr><td><code>${name}</code></td><td>${typed(schema)}</td>
      <td>${must || required?.includes(name) ? "needed" : schema.default === undefined ? "" : JSON.stringify(schema.default)}</td><td>${[schema.description, limits(schema)].filter(Boolean).join(" ")}</td></tr>`)}</tbody></table></div>`;
}

// A request to begin with: what is needed, by the examples of the schema.
function sample(schema, all) {
  if (schema.$ref) return sample(all[named(schema)], all);
  if (schema.examples) return schema.examples[0];
  if (schema.default !== undefined) return schema.default;
  if (schema.anyOf) return sample(schema.anyOf[0], all);
  if (schema.type === "object") {
    const wanted = Object.entries(schema.properties || {}).filter(([name, each]) => schema.required?.includes(name) || each.examples || each.anyOf?.some((one) => one.examples));
    return Object.fromEntries(wanted.map(([name, each]) => [name, sample(each, all)]));
  }
  if (schema.type === "array") return [sample(schema.items, all)];
  return { string: "...", integer: 1, number: 1, boolean: false }[schema.type] ?? null;
}

function Operation({ path, method, said, all }) {
  const schema = said.requestBody?.content["application/json"]?.schema;
  const given = said.parameters || [];
  const [body, setBody] = useState(schema ? JSON.stringify(sample(schema, all), null, 2) : "");
  const [values, setValues] = useState({});
  const [answer, setAnswer] = useState(null);
  const filled = given.reduce((url, each) => (each.in === "path" ? url.replace(`{${each.name}}`, encodeURIComponent(values[each.name] || "")) : url), path.replace(":path}", "}"));
  const asked = new URLSearchParams(given.filter((each) => each.in === "query" && values[each.name]).map((each) => [each.name, values[each.name]])).toString();
  const url = asked ? `${filled}?${asked}` : filled;
  async function send(event) {
    event.preventDefault();
    const headers = schema ? { "Content-Type": "application/json" } : {};
    const token = sessionStorage.getItem("token");
    if (token) headers.Authorization = `Bearer ${token}`;
    try {
      const got = await fetch(url, { method: method.toUpperCase(), headers, body: schema ? body : undefined });
      const text = await got.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { shown = text; }
      setAnswer(`${got.status}\n${shown.slice(0, 20000)}`);
    } catch (error) { setAnswer(error.message); }
  }
  const curl = `curl ${method === "get" ? "" : `-X ${method.toUpperCase()} `}'${location.origin}${url}'${schema ? ` -H 'Content-Type: application/json' -d '${body.replace(/\s*\n\s*/g, " ").replaceAll("'", "'\\''")}'` : ""}`;
  return html`<details class="operation"><summary><b class="method">${method.toUpperCase()}</b> <code>${path}</code> <span>${said.description || said.summary}</span></summary>
    ${given.length > 0 && html`<${Fields} fields=${given.map((each) => [each.name, { ...each.schema, description: each.description }, each.required])} />`}
    ${schema && html`<p>Body: ${typed(schema)}</p>`}
    <p>Answer: ${Object.entries(said.responses).filter(([status]) => status < 400).map(([status, each]) => html`<span>${status} ${typed(each.content?.["application/json"]?.schema)} </span>`)}</p>
    <form onSubmit=${send}>
      ${given.map((each) => html`<label class="tall">${each.name} <input value=${values[each.name] || ""} required=${each.required} onInput=${(event) => setValues({ ...values, [each.name]: event.target.value })} /></label>`)}
      ${schema && html`<label class="tall">body <textarea rows=${Math.min(12, body.split("\n").length + 1)} spellcheck="false" value=${body} onInput=${(event) => setBody(event.target.value)}></textarea></label>`}
      <button class="first">Send</button>
    </form>
    <pre tabindex="0" aria-label="As a command">${curl}</pre>
    ${answer !== null && html`<pre tabindex="0" aria-label="Answer">${answer}</pre>`}
  </details>`;
}

function Docs() {
  const [api, setApi] = useState(null);
  const [failed, setFailed] = useState("");
  useEffect(() => { fetch("openapi.json").then((answer) => answer.json()).then(setApi, (error) => setFailed(error.message)); }, []);
  if (failed) return html`<${Failure}>${failed}</${Failure}>`;
  if (!api) return html`<p class="status">Looking ...</p>`;
  const all = api.components.schemas;
  return html`<div><header><h1>tellapart ${api.info.version}</h1><nav aria-label="Views"><a href="./">page</a><a href="openapi.json">openapi.json</a></nav></header>
    <main><p>${api.info.description} Errors are <code>{"detail": "what, where, what to do"}</code>.</p>
    <h2>Requests</h2>${Object.entries(api.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, said]) => html`<${Operation} path=${path} method=${method} said=${said} all=${all} />`))}
    <h2>Shapes</h2>${Object.entries(all).map(([name, schema]) => html`<section id=${name}><h3>${name}</h3><p>${schema.description}</p>
      ${schema.properties && html`<${Fields} fields=${Object.entries(schema.properties).map(([field, each]) => [field, each])} required=${schema.required || []} />`}</section>`)}</main></div>`;
}

render(html`<${Docs} />`, document.getElementById("app"));
