/*-------------------------------------------------------------------------
 *
 * memfile.c
 *	  Files in memory that a child process can map.
 *
 * A memory file has no name in any file system and ends with its last
 * descriptor, so that nothing is left of it whatever happens to the processes
 * that use it.  It is filled by write() and mapped only when it is complete:
 * a mapping that runs out of memory while it is being filled would be a
 * SIGBUS, where write() is an error.
 *
 * What is too much for memory can be in a temporary file of the server instead,
 * which is used in the same way.
 *
 * File, descriptor and mapping belong to the memory context that was current
 * when the file was made, and go when it is reset or deleted, if not before.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "commands/tablespace.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/wait_event.h"

#include "training/memfile.h"

/* what is collected before it is written */
#define BUFFER_SIZE		((Size) 1024 * 1024)

struct MlopsMemfile
{
	int			fd;				/* -1: none */
	File		disk;			/* a temporary file instead, or -1 */
	Size		size;			/* written so far */
	char	   *buffer;			/* BUFFER_SIZE bytes, NULL once complete */
	Size		used;			/* of the buffer */
	void	   *map;			/* size bytes, or NULL */
	MemoryContextCallback callback;
};

/*
 * Give back all but a little memory; harmless if that has been done.
 */
void
mlops_memfile_close(MlopsMemfile *file)
{
	if (file->map != NULL)
		munmap(file->map, file->size);
	file->map = NULL;
	if (file->fd >= 0)
	{
		close(file->fd);
		ReleaseExternalFD();
	}
	file->fd = -1;
	if (file->disk >= 0)
		FileClose(file->disk);
	file->disk = -1;
}

/* the file's memory context is going */
static void
context_callback(void *arg)
{
	mlops_memfile_close(arg);
}

/* a file that there is not yet */
static MlopsMemfile *
create(void)
{
	MlopsMemfile *file = palloc0(sizeof(MlopsMemfile));

	file->fd = -1;
	file->disk = -1;
	file->buffer = palloc(BUFFER_SIZE);
	file->callback.func = context_callback;
	file->callback.arg = file;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &file->callback);
	return file;
}

/* one more descriptor that the server does not manage */
static void
acquire_descriptor(void)
{
	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not get a file descriptor for training data: %m"),
				 errhint("Raise max_files_per_process.")));
}

/*
 * An empty file.  The name is for those who look into /proc.
 */
MlopsMemfile *
mlops_memfile_create(const char *name)
{
	MlopsMemfile *file = create();
	int			save_errno;

	acquire_descriptor();
	file->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (file->fd < 0)
	{
		save_errno = errno;
		ReleaseExternalFD();
		errno = save_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a memory file for training data: %m")));
	}
	return file;
}

/*
 * An empty file that is a temporary one of the server, for what is too much for
 * memory.  It counts for temp_file_limit, and is used, and closed, within one
 * call of a function.
 */
MlopsMemfile *
mlops_memfile_create_on_disk(void)
{
	MlopsMemfile *file = create();

	PrepareTempTablespaces();
	file->disk = OpenTemporaryFile(false);
	return file;
}

/*
 * Write out what is in the buffer.
 */
static void
flush(MlopsMemfile *file)
{
	Size		done = 0;
	bool		full;

	if (file->disk >= 0)
	{
		errno = 0;
		if (FileWrite(file->disk, file->buffer, file->used, file->size, WAIT_EVENT_BUFFILE_WRITE) != (int) file->used)
		{
			if (errno == 0)
				errno = ENOSPC;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write training data to a temporary file: %m")));
		}
		file->size += file->used;
		file->used = 0;
		return;
	}
	while (done < file->used)
	{
		ssize_t		written = write(file->fd, file->buffer + done, file->used - done);

		if (written < 0)
		{
			if (errno == EINTR)
			{
				CHECK_FOR_INTERRUPTS();
				continue;
			}
			full = errno == ENOSPC || errno == ENOMEM || errno == EFBIG;
			ereport(ERROR,
					(errcode(full ? ERRCODE_OUT_OF_MEMORY : ERRCODE_IO_ERROR),
					 errmsg("could not keep training data in memory: %m"),
					 errdetail("%zu bytes were there before.", file->size),
					 errhint("Train with fewer rows or columns.")));
		}
		done += written;
		file->size += written;
	}
	file->used = 0;
}

/*
 * Append bytes to a file that is not yet complete.
 */
void
mlops_memfile_append(MlopsMemfile *file, const void *bytes, Size size)
{
	Assert(file->buffer != NULL);
	while (size > 0)
	{
		Size		part = Min(size, BUFFER_SIZE - file->used);

		memcpy(file->buffer + file->used, bytes, part);
		file->used += part;
		bytes = (const char *) bytes + part;
		size -= part;
		if (file->used == BUFFER_SIZE)
			flush(file);
	}
}

/*
 * Nothing more is appended.  A temporary file gets a descriptor of its own,
 * because the server may close its own at any time and open it again.
 */
static void
complete(MlopsMemfile *file)
{
	if (file->buffer == NULL)
		return;
	flush(file);
	pfree(file->buffer);
	file->buffer = NULL;
	if (file->disk < 0)
		return;
	/* asking for the size opens it */
	if (FileSize(file->disk) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open a temporary file of training data: %m")));
	acquire_descriptor();
	file->fd = fcntl(FileGetRawDesc(file->disk), F_DUPFD_CLOEXEC, 0);
	if (file->fd < 0)
	{
		ReleaseExternalFD();
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open a temporary file of training data: %m")));
	}
}

/*
 * The file's bytes, to read and write; nothing can be appended any more.
 * NULL if it is empty.
 */
void *
mlops_memfile_map(MlopsMemfile *file)
{
	void	   *map;

	complete(file);
	if (file->map != NULL || file->size == 0)
		return file->map;

	map = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
	if (map == MAP_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map %zu bytes of training data: %m", file->size)));
	file->map = map;
	return map;
}

/*
 * Take the mapping away and fix the file's size for ever, so that whoever is
 * given the descriptor cannot make a reader run beyond its end.  That of a
 * temporary file cannot be fixed; it is read, and not mapped, by others.
 */
void
mlops_memfile_seal(MlopsMemfile *file)
{
	if (file->map != NULL)
		munmap(file->map, file->size);
	file->map = NULL;
	complete(file);
	if (file->disk < 0 &&
		fcntl(file->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seal a memory file of training data: %m")));
}

/* the descriptor, which stays the file's */
int
mlops_memfile_fd(const MlopsMemfile *file)
{
	return file->fd;
}
