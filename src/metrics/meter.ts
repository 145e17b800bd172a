/**
 * Makes the metrics of one registry. Those that are looked up when somebody scrapes begin anew each
 * time, so what there is no more is told no more; a look-up that fails is counted, and takes only its
 * own metric away.
 */
import type { MetricType } from 'prom-client';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface MetricText {
  /** With its unit, and `_total` where it counts; see Prometheus's naming practices. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

export interface HistogramText extends MetricText {
  readonly buckets: readonly number[];
}

export interface Described {
  readonly name: string;
  readonly type: `${MetricType}`;
  readonly help: string;
  readonly labels: readonly string[];
}

export type Labels = Readonly<Record<string, string>>;
/** Says the value of one series. */
export type Say = (value: number, labels?: Labels) => void;
export type LookUp = (say: Say) => void | Promise<void>;

interface Series {
  readonly value: number;
  readonly labels: Labels;
}

export class Meter {
  readonly registry = new Registry();
  readonly #described: Described[] = [];
  readonly #failed = this.counter({
    name: 'selvage_scrape_errors_total',
    help: 'Look-ups of a metric that failed; it is absent from that scrape.',
    labels: ['metric'],
  });

  /** All but those that prom-client has by itself. */
  get described(): readonly Described[] {
    return this.#described;
  }

  gauge(text: MetricText, lookUp: LookUp): void {
    const gauge: Gauge = new Gauge({
      ...this.#describe('gauge', text),
      collect: async () => {
        const series = await this.#lookedUp(text.name, lookUp);
        clear(gauge, text);
        for (const { value, labels } of series) gauge.set({ ...labels }, value);
      },
    });
  }

  /** A count that is kept elsewhere. */
  readCounter(text: MetricText, lookUp: LookUp): void {
    const counter: Counter = new Counter({
      ...this.#describe('counter', text),
      collect: async () => {
        const series = await this.#lookedUp(text.name, lookUp);
        clear(counter, text);
        for (const { value, labels } of series) counter.inc({ ...labels }, value);
      },
    });
  }

  /** The series that are known beforehand begin at 0, so that their first increase is seen as one. */
  counter(text: MetricText, known: readonly Labels[] = []): (labels?: Labels, by?: number) => void {
    const counter = new Counter(this.#describe('counter', text));
    const series = new Map<string, { inc(by: number): void }>();
    const add = (labels: Labels = {}, by = 1): void => {
      const key = Object.values(labels).join('\0');
      let child = series.get(key);
      if (child === undefined) {
        child = counter.labels({ ...labels });
        series.set(key, child);
      }
      child.inc(by);
    };
    for (const labels of known) add(labels, 0);
    return add;
  }

  histogram(text: HistogramText): (seconds: number) => void {
    const histogram = new Histogram({
      ...this.#describe('histogram', text),
      buckets: [...text.buckets],
    });
    return (seconds) => histogram.observe(seconds);
  }

  #describe(type: Described['type'], { name, help, labels = [] }: MetricText) {
    this.#described.push({ name, type, help, labels });
    return { name, help, labelNames: [...labels], registers: [this.registry] };
  }

  /** All of it before any is set: two scrapes at a time must not add up. */
  async #lookedUp(metric: string, lookUp: LookUp): Promise<readonly Series[]> {
    const series: Series[] = [];
    try {
      await lookUp((value, labels = {}) => series.push({ value, labels }));
      return series;
    } catch {
      this.#failed({ metric });
      return [];
    }
  }
}

function clear(metric: Gauge | Counter, { labels = [] }: MetricText): void {
  metric.reset();
  // Without labels a reset leaves a zero, which would be a value that nobody said.
  if (labels.length === 0) metric.remove();
}
