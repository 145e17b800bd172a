/** What goes wrong with a metadata service, in words that never hold an answer's content. */
export type MetadataFailure =
  /** No route, nobody listens, the connection broke. */
  | 'unreachable'
  /** Nothing came in time. */
  | 'timeout'
  /** 401 or 403. */
  | 'refused'
  /** 404: the service does not have it. */
  | 'absent'
  /** Any other status that is no success. */
  | 'status'
  /** It points elsewhere; that is never followed. */
  | 'redirect'
  | 'too-large'
  /** Not in the form that the provider documents, or another provider's. */
  | 'malformed'
  /** Where to ask is not written as it must be. */
  | 'endpoint';

export interface MetadataErrorDetails {
  readonly failure: MetadataFailure;
  readonly status?: number | undefined;
  /** What to do; empty where only waiting helps. */
  readonly remedy?: string | undefined;
}

export class MetadataError extends Error {
  readonly failure: MetadataFailure;
  readonly status: number | undefined;
  readonly remedy: string;

  constructor(message: string, details: MetadataErrorDetails) {
    super(message);
    this.name = 'MetadataError';
    this.failure = details.failure;
    this.status = details.status;
    this.remedy = details.remedy ?? '';
  }

  /** The message and, behind a semicolon, what to do. */
  get text(): string {
    return this.remedy === '' ? this.message : `${this.message}; ${this.remedy}`;
  }
}
