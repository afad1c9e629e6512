/** Numbers appended one by one. */
export class GrowingNumbers {
  length = 0;
  private room = new Float64Array(256);

  push(value: number): void {
    if (this.length === this.room.length) {
      const larger = new Float64Array(2 * this.room.length);
      larger.set(this.room);
      this.room = larger;
    }
    this.room[this.length++] = value;
  }

  /** A copy. */
  values(): Float64Array<ArrayBuffer> {
    return this.room.slice(0, this.length);
  }
}
