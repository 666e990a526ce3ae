/* What libav finds broken in a film. Its decoders conceal most of it and go on: that shows in what
 * they log alone, so this counts that, and prints nothing. */
#ifndef SQ_PREPARE_FAULTS_H
#define SQ_PREPARE_FAULTS_H

/* Counts from here on; in place of libav's own log, for the whole process. */
void sq_faults_watch(void);
/* Errors since the program's start, of all decoders and of all readers of files. */
unsigned sq_faults_of_decoders(void);
unsigned sq_faults_of_files(void);

#endif
