// How the page talks to the server it came from.

let token = sessionStorage.getItem("token") || "";
let asked = null; // one question for the token at a time, however many requests wait for it

export function onToken(ask) { asked = ask; }

export function setToken(given) {
  token = given;
  sessionStorage.setItem("token", given);
}

async function send(path, body, { signal, method } = {}) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, {
    method: method || (body ? "POST" : "GET"), headers, body: body ? JSON.stringify(body) : undefined, signal,
  });
  if (answer.status === 401 && asked) asked();
  return answer;
}

export async function call(path, body, options) {
  let answer;
  try {
    answer = await send(path, body, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer: is it still running?");
  }
  const found = await answer.json().catch(() => ({ detail: `the server answered ${answer.status}` }));
  if (!answer.ok) throw new Error(typeof found.detail === "string" ? found.detail : "the request was not understood");
  return found;
}

export async function page(path) {
  const answer = await send(path);
  if (!answer.ok) throw new Error((await answer.json()).detail);
  return answer.text();
}

// Follow a job until it ends; `told` gets every state. Gives the result.
export async function follow(job, told) {
  told(job);
  while (job.state === "running") {
    const answer = await send(`/v1/jobs/${job.id}/events`);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
      const events = text.split("\n\n");
      text = events.pop();
      for (const event of events) {
        job = JSON.parse(event.slice(event.indexOf("data: ") + 6));
        told(job);
      }
    }
    if (job.state === "running") job = await call(`/v1/jobs/${job.id}`);
  }
  if (job.state === "failed") throw new Error(job.error);
  return job.result;
}

export const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
};
