/* SPDX-License-Identifier: GPL-2.0 */
/* What execute.c and collide.c have in common. */
#ifndef EXECUTE_H
#define EXECUTE_H

#include <stdio.h>

#define WORDS 8 /* of an operation */

extern int unending; /* things that should have come to an end and did not */

void die(const char *what);
int split(char *line, char **word);
void perform(int count, char **word);
void begin(const char *how);
void all_open(void);
void alarm_every(int seconds);

int collide_program(FILE *program, int processes);

#endif
