// Send each photograph to the server, and show its classes as bars. All texts are set as text, never as HTML.
"use strict";

const settings = JSON.parse(document.getElementById("settings").textContent);
const [drop, input, status, results, card] = ["drop", "files", "status", "results", "card"].map((id) => document.getElementById(id));
const SENT_AT_A_TIME = 2;
const waiting = [];
let sending = 0;

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text ?? "";
  if (className) made.className = className;
  return made;
}

function picture(source, caption) {
  const figure = element("figure"), image = new Image();
  image.alt = caption;
  image.onload = () => image.classList.toggle("small", image.naturalWidth < 100);
  image.src = source;
  figure.append(image, element("figcaption", caption));
  return figure;
}

function row({name, probability}) {
  const line = element("tr"), bar = element("td"), track = element("div", "", "track"), filled = element("div");
  filled.style.width = `${100 * probability}%`;
  track.append(filled);
  bar.append(track);
  line.append(element("th", name), bar, element("td", `${(100 * probability).toFixed(1)}%`, "share"));
  return line;
}

function show(item, answer) {
  if (answer.error) {
    item.querySelector("table").replaceWith(element("p", answer.error, "wrong"));
    item.querySelector(".pictures").remove();
    return;
  }
  item.querySelector("tbody").replaceChildren(...answer.classes.map(row));
  if (answer.crop) item.querySelector(".pictures").append(picture(answer.crop, "what the network sees"));
  if (answer.map) item.querySelector(".pictures").append(picture(answer.map, `why ${answer.classes[0].name}`));
}

async function ask(file) {
  if (file.size > settings.requestBytes)
    return {error: `larger than the ${Math.floor(settings.requestBytes / 2 ** 20)} MiB that this server accepts`};
  for (;;) {
    const response = await fetch("predict?pictures=true", {method: "POST", body: file, headers: {"Content-Type": "application/octet-stream"}});
    if (response.status === 503 && response.headers.has("Retry-After")) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * Number(response.headers.get("Retry-After"))));
      continue;
    }
    const content = await response.json();
    return content.predictions ? content.predictions[0] : content;
  }
}

async function send({file, item}) {
  let answer;
  try {
    answer = await ask(file);
  } catch {
    answer = {error: "the server cannot be reached, or the file cannot be read"};
  }
  show(item, answer);
  item.removeAttribute("aria-busy");
}

function next() {
  while (sending < SENT_AT_A_TIME && waiting.length) {
    sending += 1;
    send(waiting.shift()).finally(() => { sending -= 1; next(); });
  }
  const open = waiting.length + sending;
  status.textContent = open ? `${open} to go ...` : "";
}

function add(files) {
  for (const file of files) {
    const item = card.content.firstElementChild.cloneNode(true);
    item.querySelector("h2").textContent = file.name;
    item.setAttribute("aria-busy", "true");
    results.prepend(item);
    waiting.push({file, item});
  }
  next();
}

input.addEventListener("change", () => { add([...input.files]); input.value = ""; });
document.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  add([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => add([...event.clipboardData.files]));
