// What the page shows: the plane with its density, drawing and moving points, and the curve of the loss.
'use strict';

const FlowPicture = (() => {
  // Viridis at equal distances.
  const VIRIDIS = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];

  function colour(value) {
    const place = Math.min(Math.max(value, 0), 1) * (VIRIDIS.length - 1);
    const first = Math.min(Math.floor(place), VIRIDIS.length - 2);
    return [0, 1, 2].map(k => VIRIDIS[first][k] + (place - first) * (VIRIDIS[first + 1][k] - VIRIDIS[first][k]));
  }

  const PALETTE = Array.from({ length: 256 }, (_, i) => colour(i / 255));

  // Gives a canvas the pixels of the screen, and returns its context with lengths of the page.
  function prepare(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    const context = canvas.getContext('2d');
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return { context, width, height };
  }

  // The state between two saved ones, and which they are.
  function between(times, t) {
    let k = 0;
    while (k < times.length - 2 && times[k + 1] <= t) k++;
    const span = times[k + 1] - times[k];
    return { k, part: span > 0 ? Math.min(Math.max((t - times[k]) / span, 0), 1) : 1 };
  }

  function position(ways, place, i) {
    const { k, part } = place;
    const a = (k * ways.count + i) * 2;
    const b = Math.min(k + 1, ways.times.length - 1) * ways.count * 2 + i * 2;
    const at = c => ways.coordinates[a + c] + part * (ways.coordinates[b + c] - ways.coordinates[a + c]);
    return [at(0), at(1)];
  }

  // Densities at a time, between those of the frames around it. Frames hold densities from below, row by row.
  function mixed(frames, cells, t) {
    const { k, part } = between(frames.map(frame => frame.t), t);
    const [a, b] = [frames[k].values, frames[Math.min(k + 1, frames.length - 1)].values];
    return Float32Array.from({ length: cells * cells }, (_, i) => a[i] + part * (b[i] - a[i]));
  }

  let heat = null;

  function drawDensity({ context, width, height }, frames, cells, t) {
    const values = mixed(frames, cells, t);
    const sorted = Float32Array.from(values).sort();
    const most = sorted[Math.floor(0.995 * sorted.length)] || 1;
    heat ||= document.createElement('canvas');
    Object.assign(heat, { width: cells, height: cells });
    const image = new ImageData(cells, cells);
    for (let row = 0; row < cells; row++) {
      for (let column = 0; column < cells; column++) {
        // Its root shows thin places too.
        const value = Math.sqrt(values[row * cells + column] / most);
        const [r, g, b] = PALETTE[Math.min(255, Math.round(255 * value)) || 0];
        image.data.set([r, g, b, 255], ((cells - 1 - row) * cells + column) * 4);
      }
    }
    heat.getContext('2d').putImageData(image, 0, 0);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = 'high';
    context.drawImage(heat, 0, 0, width, height);
  }

  function drawDots({ context, width, height }, coordinates, radius, style) {
    context.fillStyle = style;
    context.beginPath();
    for (let i = 0; i < coordinates.length; i += 2) {
      const [x, y] = [(coordinates[i] + 1) / 2 * width, (1 - coordinates[i + 1]) / 2 * height];
      context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
    }
    context.fill();
  }

  // The last part of each way, which fades.
  function drawTrails({ context, width, height }, ways, t, style) {
    const [parts, length, shown] = [8, 0.3, Math.min(ways.count, 250)];
    const places = Array.from({ length: parts + 1 }, (_, j) => between(ways.times, Math.max(0, t - length * j / parts)));
    context.strokeStyle = style;
    context.lineWidth = 1;
    for (let j = 0; j < parts; j++) {
      context.globalAlpha = 0.55 * (1 - j / parts);
      context.beginPath();
      for (let i = 0; i < shown; i++) {
        const [from, to] = [position(ways, places[j], i), position(ways, places[j + 1], i)];
        context.moveTo((from[0] + 1) / 2 * width, (1 - from[1]) / 2 * height);
        context.lineTo((to[0] + 1) / 2 * width, (1 - to[1]) / 2 * height);
      }
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  // Everything in the plane: `show` says what.
  function plane(canvas, { points, ways, frames, cells, t, show }) {
    const view = prepare(canvas);
    const dark = show.density && frames.length > 1;
    if (dark) drawDensity(view, frames, cells, t);
    const ink = getComputedStyle(canvas).color;
    // Few points are large, and many small.
    const size = Math.max(0.8, Math.min(2.5, 40 / Math.sqrt(points.length / 2 + 1)));
    if (show.drawing) drawDots(view, points, size, dark ? 'rgba(255, 255, 255, 0.45)' : ink);
    if (!ways) return;
    if (show.trails) drawTrails(view, ways, t, dark ? '#ffb000' : '#d55e00');
    if (show.points) {
      const place = between(ways.times, t);
      const states = new Float32Array(ways.count * 2);
      for (let i = 0; i < ways.count; i++) states.set(position(ways, place, i), 2 * i);
      // An edge sets them off from bright places.
      if (dark) drawDots(view, states, 2.2, 'rgba(0, 0, 0, 0.6)');
      drawDots(view, states, 1.5, dark ? '#ffb000' : '#d55e00');
    }
  }

  // The loss, smoothed, by step.
  function loss(canvas, losses) {
    const { context, width, height } = prepare(canvas);
    const ink = getComputedStyle(canvas).color;
    context.fillStyle = context.strokeStyle = ink;
    context.font = '12px sans-serif';
    if (losses.length < 2) return context.fillText('loss: nothing yet', 8, 18);
    const bin = Math.max(1, Math.ceil(losses.length / (width - 60)));
    const means = [];
    for (let i = 0; i + bin <= losses.length; i += bin) means.push(losses.slice(i, i + bin).reduce((a, b) => a + b) / bin);
    let smooth = means[0];
    const curve = means.map(value => (smooth += 0.15 * (value - smooth)));
    const [low, high] = [Math.min(...curve), Math.max(...curve)];
    const x = i => 44 + i / Math.max(1, curve.length - 1) * (width - 52);
    const y = value => height - 22 - (value - low) / Math.max(high - low, 1e-9) * (height - 36);
    context.beginPath();
    curve.forEach((value, i) => context[i ? 'lineTo' : 'moveTo'](x(i), y(value)));
    context.lineWidth = 1.5;
    context.stroke();
    context.fillText(high.toFixed(2), 6, 18);
    context.fillText(low.toFixed(2), 6, height - 18);
    context.fillText(`loss by step, 0 to ${losses.length.toLocaleString('en')}`, 44, height - 5);
  }

  return { plane, loss };
})();
