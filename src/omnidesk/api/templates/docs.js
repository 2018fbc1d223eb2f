"use strict";
const key = document.getElementById("key");
document.getElementById("signin").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("find").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const item of document.querySelectorAll("nav li")) {
    item.hidden = !item.dataset.words.toLowerCase().includes(wanted);
  }
});

function asked(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const input of form.querySelectorAll("input")) {
    const value = input.value.trim();
    if (input.dataset.in === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(value));
    else if (value && input.dataset.in === "query") query.set(input.name, value);
    else if (value && input.dataset.in === "header") headers[input.name] = value;
  }
  if (key.value) headers.Authorization = `Bearer ${key.value}`;
  const options = { method: form.dataset.method, headers };
  const body = form.querySelector("textarea");
  if (body) {
    headers["Content-Type"] = "application/json";
    options.body = body.value;
  }
  return [path + (query.size ? `?${query}` : ""), options];
}

async function send(event) {
  event.preventDefault();
  const form = event.target;
  const shown = form.querySelector(".answer");
  shown.hidden = false;
  shown.textContent = "…";
  try {
    const response = await fetch(...asked(form));
    const text = await response.text();
    let body = text.slice(0, 100000);
    try { body = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it is */ }
    const headers = ["etag", "location", "link", "retry-after", "idempotency-replayed", "x-request-id"]
      .filter((name) => response.headers.has(name)).map((name) => `${name}: ${response.headers.get(name)}`);
    shown.textContent = [`${response.status} ${response.statusText}`, ...headers, "", body].join("\n");
  } catch (error) {
    shown.textContent = String(error);
  }
}

for (const form of document.querySelectorAll("form.try")) form.addEventListener("submit", send);
