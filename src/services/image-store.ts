import type { AbortableOptions, Labels } from '../content/store.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import type { Timestamp } from '../spec/timestamp.ts';

/** A name for an object in the store. The object keeps what it refers to from being collected. */
export interface Image {
  /** Any text that is not empty; by convention a canonical reference. */
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Labels;
  readonly createdAt: Timestamp;
  readonly updatedAt: Timestamp;
}

/** What an image is made of; the store sets the times. */
export interface NewImage {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels?: Labels | undefined;
}

/** Options of {@link ImageStore.delete}. */
export interface DeleteImageOptions extends AbortableOptions {
  /** Delete only while the image has this target; `not-found` otherwise. */
  readonly target?: Descriptor | undefined;
  /** Return when what nobody needs any more has been collected. */
  readonly synchronous?: boolean | undefined;
}

/** The images of one namespace. */
export interface ImageStore {
  /** @throws DrayError `not-found`. */
  get(name: string, options?: AbortableOptions): Promise<Image>;
  /** Every image that any filter matches (fields `name`, `target.digest`, `target.mediatype`, `labels.KEY`, `annotations.KEY`), by name. */
  list(...filters: string[]): AsyncIterable<Image>;
  /**
   * The target need not be in the store.
   * @throws DrayError `already-exists`; `invalid-argument` for an empty name, a malformed target or a label over the limit.
   */
  create(image: NewImage, options?: AbortableOptions): Promise<Image>;
  /**
   * Changes an image by field path: `target`, `labels`, `labels.KEY`, `annotations`, `annotations.KEY` (of the target); all of
   * them without a path.
   * @throws DrayError `not-found`; `invalid-argument` for any other path and as {@link create} does.
   */
  update(image: NewImage, ...fieldpaths: string[]): Promise<Image>;
  /** @throws DrayError `not-found`. */
  delete(name: string, options?: DeleteImageOptions): Promise<void>;
}
