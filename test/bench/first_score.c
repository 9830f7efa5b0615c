/*
 * first_score CONNINFO N SQL: in each of N new connections, one after the
 * other, run a statement twice; print the lower quartile and the median of the
 * milliseconds that the first and the second run took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <libpq-fe.h>

static double
run(PGconn *connection, const char *sql)
{
	struct timespec begin;
	struct timespec end;
	PGresult   *result;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	result = PQexec(connection, sql);
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(connection));
		exit(1);
	}
	PQclear(result);
	return (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) / 1e6;
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	int			n = argc == 4 ? atoi(argv[2]) : 0;
	double	   *first = malloc(sizeof(double) * (n + 1));
	double	   *second = malloc(sizeof(double) * (n + 1));

	if (n < 1 || first == NULL || second == NULL)
		return 2;
	for (int i = 0; i < n; i++)
	{
		PGconn	   *connection = PQconnectdb(argv[1]);

		if (PQstatus(connection) != CONNECTION_OK)
		{
			fprintf(stderr, "%s", PQerrorMessage(connection));
			return 1;
		}
		first[i] = run(connection, argv[3]);
		second[i] = run(connection, argv[3]);
		PQfinish(connection);
	}
	qsort(first, n, sizeof(double), compare);
	qsort(second, n, sizeof(double), compare);
	printf("%.3f %.3f %.3f %.3f\n", first[n / 4], first[n / 2], second[n / 4], second[n / 2]);
	return 0;
}
