/* When sound counts as heard: for who decodes it (media/decode.h), and for who looks at a clip's
 * levels alone (media/clip.h). */
#ifndef SQ_MEDIA_HEARD_H
#define SQ_MEDIA_HEARD_H

#define SQ_HEARD_DBOV           (-50) /* a second that is louder is heard */
#define SQ_HEARD_ENOUGH_PERCENT 95    /* of a clip's seconds; with less it is silent for long */

#endif
