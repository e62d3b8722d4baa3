// The photo with a box that a hand can move: by mouse, finger or keys. `element`, `props` and
// `watch` are Gradio's; the value is {src, width, height, box, found}, boxes [x, y, w, h] in pixels.
const find = (name) => element.querySelector("." + name);
let box = null;
let kept = ""; // The value that a hand has set, as JSON.
let loaded = ""; // And the one that the server has set.

function place(node, at) {
  const { width, height } = props.value;
  node.hidden = !at;
  if (!at) return;
  node.style.left = (100 * at[0]) / width + "%";
  node.style.top = (100 * at[1]) / height + "%";
  node.style.width = (100 * at[2]) / width + "%";
  node.style.height = (100 * at[3]) / height + "%";
}

function draw() {
  const { width, height, found } = props.value;
  place(find("found"), found);
  place(find("box"), box);
  place(find("corner"), box && [box[0] + box[2], box[1] + box[3], 0, 0]);
  const [x, y, w, h] = box;
  find("numbers").textContent =
    `Your box: ${w} × ${h} pixels, ${x} from the left and ${y} from the top, of ${width} × ${height}.`;
}

function load() {
  const value = props.value;
  const text = JSON.stringify(value);
  // News of what a hand has set comes late, when the hand may have moved on.
  if (text === kept) return;
  // And Gradio sends the last of a crop twice, when a hand may have moved the box.
  if (box && text === loaded) return keep();
  loaded = text;
  element.querySelector(".editor").hidden = !(value && value.src);
  if (!value || !value.src) return;
  const image = find("photo");
  if (image.getAttribute("src") !== value.src) image.src = value.src;
  box = [...value.box];
  draw();
}

function keep() {
  const value = { ...props.value, box: [...box] };
  kept = JSON.stringify(value);
  props.value = value;
}

// Moves the box, or its lower right corner, by pixels of the photo from where it was.
function shift(corner, from, dx, dy) {
  const { width, height } = props.value;
  const within = (value, low, high) => Math.round(Math.min(Math.max(value, low), high));
  const [x, y, w, h] = from;
  box = corner
    ? [x, y, within(w + dx, 8, width - x), within(h + dy, 8, height - y)]
    : [within(x + dx, 0, width - w), within(y + dy, 0, height - h), w, h];
  box = [box[0], box[1], Math.min(box[2], width - box[0]), Math.min(box[3], height - box[1])];
  draw();
}

element.addEventListener("pointerdown", (event) => {
  const grip = event.target.closest(".box, .corner");
  if (!grip || event.button) return;
  event.preventDefault();
  grip.focus();
  grip.setPointerCapture(event.pointerId);
  const from = [...box];
  const scale = props.value.width / find("stage").clientWidth;
  const move = (now) =>
    shift(
      grip.matches(".corner"),
      from,
      (now.clientX - event.clientX) * scale,
      (now.clientY - event.clientY) * scale,
    );
  const end = () => {
    grip.removeEventListener("pointermove", move);
    keep();
  };
  grip.addEventListener("pointermove", move);
  grip.addEventListener("pointerup", end, { once: true });
  grip.addEventListener("pointercancel", end, { once: true });
});

element.addEventListener("keydown", (event) => {
  const grip = event.target.closest(".box, .corner");
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (!grip || !step[event.key]) return;
  event.preventDefault();
  const longer = Math.max(props.value.width, props.value.height);
  const size = event.shiftKey ? 1 : Math.max(1, Math.round(longer / 50));
  const [dx, dy] = step[event.key];
  shift(grip.matches(".corner"), box, dx * size, dy * size);
  keep();
});

watch("value", load);
load();
