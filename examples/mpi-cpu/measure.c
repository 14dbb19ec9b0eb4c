/* Ping-pong between the first rank and the last, which are on different nodes, and allreduce over all of them.
   Writes measure.csv: test, ranks, nodes, bytes, microseconds (of one way, of one allreduce), errors. */

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define LARGEST (4 << 20)

static char *buffer;
static double *sent, *summed;

/* Microseconds for one way, half of a round trip. */
static double ping_pong(int rank, int last, int bytes, int rounds, long *errors) {
    double began = 0;
    for (int i = -rounds / 10; i < rounds; i++) { /* the first tenth only warms up */
        if (i == 0) began = MPI_Wtime();
        if (rank == 0) {
            buffer[0] = buffer[bytes - 1] = i & 0x3f;
            MPI_Send(buffer, bytes, MPI_CHAR, last, 0, MPI_COMM_WORLD);
            MPI_Recv(buffer, bytes, MPI_CHAR, last, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            /* Both ends come back as they were sent, plus one. */
            *errors += buffer[0] != (i & 0x3f) + 1 || buffer[bytes - 1] != (i & 0x3f) + 1;
        } else if (rank == last) {
            MPI_Recv(buffer, bytes, MPI_CHAR, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            buffer[0]++, buffer[bytes - 1]++;
            MPI_Send(buffer, bytes, MPI_CHAR, 0, 0, MPI_COMM_WORLD);
        }
    }
    return (MPI_Wtime() - began) / rounds / 2 * 1e6;
}

/* Microseconds for one allreduce. */
static double allreduce(int rank, int ranks, int bytes, int rounds, long *errors) {
    int count = bytes / sizeof(double);
    double began = 0;
    for (int i = 0; i < count; i++) sent[i] = rank + i;
    for (int i = -rounds / 10; i < rounds; i++) {
        if (i == 0) MPI_Barrier(MPI_COMM_WORLD), began = MPI_Wtime();
        MPI_Allreduce(sent, summed, count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    }
    double took = (MPI_Wtime() - began) / rounds * 1e6;
    /* Whole numbers far below 2^53: the sum is exact in any order. */
    for (int i = 0; i < count; i++) *errors += summed[i] != ranks * (ranks - 1) / 2 + (double)ranks * i;
    return took;
}

int main(int argc, char **argv) {
    int rank, ranks;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    buffer = malloc(LARGEST), sent = malloc(LARGEST), summed = malloc(LARGEST);

    /* Slurm tells each rank over how many nodes its step goes (srun(1)). */
    const char *told = getenv("SLURM_STEP_NUM_NODES");
    int nodes = told ? atoi(told) : 1;

    FILE *table = rank ? NULL : fopen("measure.csv", "w");
    if (table) fprintf(table, "test,ranks,nodes,bytes,microseconds,errors\n");
    const int sizes[] = {8, 1 << 10, 64 << 10, LARGEST};
    for (int i = 0; i < 4; i++) {
        int rounds = sizes[i] > 1 << 16 ? 20 : 200;
        long errors = 0;
        double took = ping_pong(rank, ranks - 1, sizes[i], rounds, &errors);
        if (table) fprintf(table, "ping-pong,%d,%d,%d,%.2f,%ld\n", ranks, nodes, sizes[i], took, errors);
        long mine = 0;
        took = allreduce(rank, ranks, sizes[i], rounds, &mine);
        MPI_Reduce(&mine, &errors, 1, MPI_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
        if (table) fprintf(table, "allreduce,%d,%d,%d,%.2f,%ld\n", ranks, nodes, sizes[i], took, errors);
    }
    if (table) fclose(table);
    MPI_Finalize();
    return 0;
}
