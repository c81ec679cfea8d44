// The part of the time axis that the lanes show, and its ticks.
export class TimeScale {
  constructor() {
    this.start = 0;
    this.end = 1000;
    /** Whether the scale shows all events, also those that come. */
    this.isFitted = true;
  }

  /** @type {(first: number, last: number) => void} */
  fit(first, last) {
    const margin = Math.max(1, (last - first) * 0.02);
    this.start = first - margin;
    this.end = last + margin;
  }

  /** @type {(factor: number, center: number) => void} */
  zoom(factor, center) {
    this.isFitted = false;
    const span = Math.max(1, (this.end - this.start) * factor);
    const share = (center - this.start) / (this.end - this.start);
    this.start = center - span * share;
    this.end = this.start + span;
  }

  /** @type {(share: number) => void} share of the width; positive: later */
  move(share) {
    this.isFitted = false;
    const step = (this.end - this.start) * share;
    this.start += step;
    this.end += step;
  }

  /** @type {(time: number, width: number) => number} */
  toX(time, width) {
    return ((time - this.start) / (this.end - this.start)) * width;
  }

  /** @type {(x: number, width: number) => number} */
  toTime(x, width) {
    return this.start + (x / width) * (this.end - this.start);
  }

  /** @type {(width: number) => number[]} round times, about a hundred pixels apart */
  listTicks(width) {
    const rough = (this.end - this.start) / Math.max(1, width / 110);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? power * 10;
    const ticks = [];
    for (let time = Math.ceil(this.start / step) * step; time <= this.end; time += step) {
      ticks.push(time);
    }
    return ticks;
  }
}
