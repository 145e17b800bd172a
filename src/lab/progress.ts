/** How far a long command has come, as events; `progress-display.ts` shows them. */
export interface Progress {
  readonly step: string;
  readonly done: number;
  readonly total: number;
  readonly detail?: string;
}

export type OnProgress = (progress: Progress) => void;

export const silent: OnProgress = () => undefined;
