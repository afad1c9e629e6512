/** A report in parts that a terminal and a page draw alike. Texts may be foreign: whoever draws makes them inert. */

export interface Section {
  readonly title?: string;
  readonly lines?: readonly string[];
  readonly table?: {
    readonly head: readonly string[];
    readonly rows: readonly (readonly string[])[];
    /** Columns of numbers. */
    readonly right: readonly number[];
  };
  /** One value each, above or below nothing. */
  readonly bars?: {
    readonly title: string;
    /** Shares of one whole: also drawn beside the table on a terminal. */
    readonly isShare?: boolean;
    readonly bars: readonly { readonly label: string; readonly value: number }[];
  };
  /** Predicted against observed, both from 0 to 1; on the diagonal is right. */
  readonly diagonal?: {
    readonly title: string;
    readonly points: readonly {
      readonly predicted: number;
      readonly observed: number;
      readonly rows: number;
    }[];
  };
}
