/*-------------------------------------------------------------------------
 *
 * shared.c
 *	  The memory that all processes of the cluster share, if preloaded.
 *
 * Without shared_preload_libraries = 'mlops' there is none, and whoever uses
 * it does without: mlops_shared_attach() says so.
 *
 * A block of the main shared memory holds two areas.  The small one is for
 * hash tables, whose handles stand in the block; it has no limit of its own,
 * the tables' owners limit the number of their entries.  The other one is for
 * bulk: what it holds is limited by its owner in bytes.  Two of them, because
 * an entry must not fail to find room when the bulk is full.  Both areas begin
 * in the block and go on in dynamic shared memory, which only backends ask
 * for.  They are made by the postmaster, so there is no first user, and no
 * failure but that of the start of the server.
 *
 * Locks.  The tables and areas have their own.  The bulk lock is for whoever
 * adds to the bulk; it is taken before any of those.
 *
 * Lifetime.  A backend attaches at first use, for its life.  It detaches
 * before its dynamic shared memory goes; who holds something in there gives it
 * back in a before_shmem_exit callback of his own, registered after he has
 * attached and therefore called before.  After a crash of any process the
 * postmaster makes everything anew.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "shared.h"

#define MAX_TABLES	4

/*
 * Where the areas begin.  The tables need more only for hundreds of versions:
 * an area takes 64 kB for each size of what is in it.
 */
#define TABLES_SIZE	(1024 * 1024)
#define BULK_SIZE	(64 * 1024)

typedef struct Control
{
	LWLock	   *bulk_lock;
	dshash_table_handle tables[MAX_TABLES];
} Control;

/* the tables, as every process knows them */
static dshash_parameters parameters[MAX_TABLES];
static int	num_tables = 0;

static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;

/* in the main shared memory; NULL without preload */
static Control *control = NULL;

/* what this process has attached */
static dsa_area *tables_area = NULL;
static dsa_area *bulk_area = NULL;
static dshash_table *tables[MAX_TABLES];
static bool attached = false;
static bool detached = false;

static void *
tables_place(void)
{
	return (char *) control + CACHELINEALIGN(sizeof(Control));
}

static void *
bulk_place(void)
{
	return (char *) tables_place() + TABLES_SIZE;
}

static Size
block_size(void)
{
	return CACHELINEALIGN(sizeof(Control)) + TABLES_SIZE + BULK_SIZE;
}

static void
request(void)
{
	if (previous_request)
		previous_request();
	RequestAddinShmemSpace(block_size());
	RequestNamedLWLockTranche("mlops", 1);
}

/*
 * Make the block, in the postmaster, or find it.
 */
static void
startup(void)
{
	bool		found;

	if (previous_startup)
		previous_startup();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	control = ShmemInitStruct("mlops", block_size(), &found);
	if (!found)
	{
		dsa_area   *area;

		control->bulk_lock = &GetNamedLWLockTranche("mlops")->lock;

		area = dsa_create_in_place(tables_place(), TABLES_SIZE, control->bulk_lock->tranche, NULL);
		dsa_pin(area);
		/* nothing in dynamic shared memory yet: the postmaster would keep it mapped */
		dsa_set_size_limit(area, TABLES_SIZE);
		for (int i = 0; i < num_tables; i++)
		{
			dshash_table *table;

			parameters[i].tranche_id = control->bulk_lock->tranche;
			table = dshash_create(area, &parameters[i], NULL);
			control->tables[i] = dshash_get_hash_table_handle(table);
			dshash_detach(table);
		}
		dsa_set_size_limit(area, (size_t) -1);
		dsa_detach(area);

		area = dsa_create_in_place(bulk_place(), BULK_SIZE, control->bulk_lock->tranche, NULL);
		dsa_pin(area);
		dsa_detach(area);
	}
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Ask for the block, when the postmaster loads the library.
 */
void
mlops_shared_init(void)
{
	previous_request = shmem_request_hook;
	shmem_request_hook = request;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
}

/*
 * Ask for a hash table in the block.  A key is compared byte by byte: it must
 * have no padding.  The result is its number.
 */
int
mlops_shared_add_table(Size key_size, Size entry_size)
{
	Assert(num_tables < MAX_TABLES);
	parameters[num_tables] = (dshash_parameters) {
		.key_size = key_size,
		.entry_size = entry_size,
		.compare_function = dshash_memcmp,
		.hash_function = dshash_memhash,
		MLOPS_DSHASH_COPY
	};
	return num_tables++;
}

/*
 * before_shmem_exit callback: the references that attaching took are given
 * back by hand, since the areas do not live in a segment.
 */
static void
detach(int code, Datum arg)
{
	attached = false;
	detached = true;
	for (int i = 0; i < num_tables; i++)
		if (tables[i] != NULL)
			dshash_detach(tables[i]);
	if (tables_area != NULL)
	{
		dsa_detach(tables_area);
		dsa_release_in_place(tables_place());
	}
	if (bulk_area != NULL)
	{
		dsa_detach(bulk_area);
		dsa_release_in_place(bulk_place());
	}
}

/*
 * Attach to the shared memory, once; false if there is none.
 */
bool
mlops_shared_attach(void)
{
	static bool registered = false;
	MemoryContext old;

	if (attached)
		return true;
	if (control == NULL || detached)
		return false;

	if (!registered)
	{
		before_shmem_exit(detach, (Datum) 0);
		registered = true;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	if (tables_area == NULL)
	{
		tables_area = dsa_attach_in_place(tables_place(), NULL);
		dsa_pin_mapping(tables_area);
	}
	if (bulk_area == NULL)
	{
		bulk_area = dsa_attach_in_place(bulk_place(), NULL);
		dsa_pin_mapping(bulk_area);
	}
	for (int i = 0; i < num_tables; i++)
		if (tables[i] == NULL)
		{
			parameters[i].tranche_id = control->bulk_lock->tranche;
			tables[i] = dshash_attach(tables_area, &parameters[i], control->tables[i], NULL);
		}
	MemoryContextSwitchTo(old);
	attached = true;
	return true;
}

dshash_table *
mlops_shared_table(int number)
{
	Assert(attached);
	return tables[number];
}

dsa_area *
mlops_shared_bulk(void)
{
	Assert(attached);
	return bulk_area;
}

LWLock *
mlops_shared_bulk_lock(void)
{
	return control->bulk_lock;
}

/*
 * Do something that may need more dynamic shared memory; false if the system
 * has not got it.  An area reports a full /dev/shm as an error whatever it was
 * told, and a table always; nobody's statement shall fail because of that.
 * Called with no lightweight lock held: work's are released when it fails; and
 * not while the process ends, when an error cannot be caught.
 */
bool
mlops_shared_try(void (*work) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner save_owner = CurrentResourceOwner;
	ResourceOwner owner = ResourceOwnerCreate(save_owner, "mlops shared memory");
	volatile bool done = true;

	Assert(!proc_exit_inprogress);
	CurrentResourceOwner = owner;
	PG_TRY();
	{
		work(arg);
	}
	PG_CATCH();
	{
		int			category = ERRCODE_TO_CATEGORY(geterrcode());

		if (category != ERRCODE_INSUFFICIENT_RESOURCES)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		LWLockReleaseAll();
		done = false;
	}
	PG_END_TRY();

	CurrentResourceOwner = save_owner;
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
	ResourceOwnerDelete(owner);
	return done;
}
