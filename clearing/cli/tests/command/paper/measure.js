// What is wrong with the page as it is shown now: one sentence for each fault.
(() => {
  const found = [];
  const width = document.documentElement.clientWidth;
  const named = (element) => {
    const kind = element.getAttribute("class");
    return `${element.tagName.toLowerCase()}${kind ? "." + kind : ""} ${JSON.stringify(element.textContent.trim().slice(0, 40))}`;
  };
  const shown = (element) => element.getClientRects().length > 0;

  if (document.documentElement.scrollWidth > width) {
    found.push(`the page is ${document.documentElement.scrollWidth} wide, the screen ${width}`);
  }

  // Nothing lies outside of the screen, and no box is narrower than what is in it.
  for (const element of document.querySelectorAll("body, body *:not(svg *)")) {
    if (!shown(element)) continue;
    const box = element.getBoundingClientRect();
    if (box.left < -0.5 || box.right > width + 0.5) found.push(`${named(element)} ends at ${box.right} of ${width}`);
    const inline = getComputedStyle(element).display === "inline";
    if (!inline && element.scrollWidth > element.clientWidth + 1) {
      found.push(`${named(element)} is ${element.clientWidth} wide, what is in it ${element.scrollWidth}`);
    }
  }

  // Cells of a row do not lie on each other, and a text does not leave its cell.
  for (const row of document.querySelectorAll("tr")) {
    const cells = [...row.children].filter(shown);
    for (const cell of cells) {
      const box = cell.getBoundingClientRect();
      const range = document.createRange();
      range.selectNodeContents(cell);
      for (const part of range.getClientRects()) {
        if (part.left < box.left - 0.5 || part.right > box.right + 0.5) {
          found.push(`${named(cell)} has a text from ${part.left} to ${part.right} in a cell from ${box.left} to ${box.right}`);
        }
      }
    }
  }

  // Labels of pictures are within them.
  for (const text of document.querySelectorAll("svg text")) {
    const [inner, outer] = [text.getBoundingClientRect(), text.closest("svg").getBoundingClientRect()];
    if (inner.left < outer.left - 0.5 || inner.right > outer.right + 0.5) found.push(`${named(text)} leaves its picture`);
  }

  // Each text is read on what is behind it. Source: WCAG 2, success criterion 1.4.3, contrast of 4.5 : 1.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const painted = (colours) => {
    canvas.fillStyle = "white";
    canvas.fillRect(0, 0, 1, 1);
    for (const colour of colours) {
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
    }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const element of document.querySelectorAll("body *:not(svg *)")) {
    const says = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
    if (!says || !shown(element)) continue;
    const behind = [];
    for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
    const ground = light(painted(behind));
    const ink = light(painted([...behind, getComputedStyle(element).color]));
    const contrast = (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05);
    if (contrast < 4.5) found.push(`${named(element)} has a contrast of ${contrast.toFixed(2)} to what is behind it`);
  }
  return found;
})()
