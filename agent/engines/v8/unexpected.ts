import { FlickError } from '../../../protocol/index.ts';
import { headOf } from './headOf.ts';

/** The code in the program met what nobody thought of; the program goes on unharmed. */
export class CaptureFailed extends FlickError {
  /** What happened, with the stack: for a log. */
  readonly details: string;

  constructor(details: string) {
    super(
      'refused',
      `Cannot move: the program could not be taken apart, for a reason that is not known (${headOf(details)}).`,
      {
        remedy:
          'It goes on as if nothing had been. CRIU can move it between devices that are alike.',
      },
    );
    this.details = details;
  }
}
