/*-------------------------------------------------------------------------
 *
 * person.c
 *	  Whether two roles are the same person: maker is not checker.
 *
 * What identifies a person is the role that logged in: session_user.  Neither
 * SET ROLE nor a function with the rights of its owner changes it.  Two login
 * roles count as one person if one of them is a member of the other, directly
 * or through other roles and whatever the options of the memberships are: who
 * has a second role for certain duties is granted the one with the other.  Two
 * roles that are members of the same third one are two persons, as a group has
 * many.
 *
 * A superuser can become everybody (SET ROLE, SET SESSION AUTHORIZATION, a new
 * password), so that its approval would not show that there were two persons:
 * it is refused.  For the same reason a session whose user was set by SET
 * SESSION AUTHORIZATION, which needs a superuser, cannot approve, unless the
 * setting mlops.allow_session_authorization says that this is how application
 * servers of this cluster hand on their users.
 *
 * Roles are renamed and dropped.  Rows record names; the OIDs that have acted
 * under a name are rows of mlops.identity, and the caller passes those that
 * belong to a recorded name.  A session whose user has the recorded name is
 * refused whatever its OID: nobody approves what was made under the own name.
 *
 * Nothing is kept between calls, and no lock is taken but those of look-ups in
 * catalogues.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "caller.h"
#include "errors.h"
#include "governance/person.h"
#include "guc.h"

PG_FUNCTION_INFO_V1(mlops_login_role);
PG_FUNCTION_INFO_V1(mlops_check_checker);
PG_FUNCTION_INFO_V1(mlops_check_other_person);
PG_FUNCTION_INFO_V1(mlops_same_person_sql);

/*
 * Are two roles the same person?  Superusers are, by this, not everybody.
 */
bool
mlops_same_person(Oid a, Oid b)
{
	return is_member_of_role_nosuper(a, b) || is_member_of_role_nosuper(b, a);
}

/*
 * SQL, private: the role that logged in, also behind SET SESSION
 * AUTHORIZATION.
 */
Datum
mlops_login_role(PG_FUNCTION_ARGS)
{
	Name		result = palloc0(NAMEDATALEN);

	namestrcpy(result, GetUserNameFromId(GetAuthenticatedUserId(), false));
	PG_RETURN_NAME(result);
}

/*
 * SQL, private: error ML041 unless the session's user can be a second person
 * at all.  Argument: a hint, or NULL.
 */
Datum
mlops_check_checker(PG_FUNCTION_ARGS)
{
	Oid			me = GetSessionUserId();
	char	   *hint = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));

	mlops_caller();
	if (MyBgworkerEntry != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_SAME_PERSON),
				 errmsg("background processes cannot approve"),
				 errdetail("A job runs as its owner without a person who looks at what it approves."),
				 hint ? errhint("%s", hint) : 0));
	if (superuser_arg(me))
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_SAME_PERSON),
				 errmsg("superusers cannot approve"),
				 errdetail("\"%s\" can act as any role, so that its approval would not be that of a second person.",
						   GetUserNameFromId(me, false)),
				 hint ? errhint("%s", hint) : 0));
	if (GetAuthenticatedUserId() != me && !mlops_allow_session_authorization)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_SAME_PERSON),
				 errmsg("a session authorization that was set cannot approve"),
				 errdetail("\"%s\" logged in and set the session authorization to \"%s\".",
						   GetUserNameFromId(GetAuthenticatedUserId(), false),
						   GetUserNameFromId(me, false)),
				 hint ? errhint("%s", hint) : 0));
	PG_RETURN_VOID();
}

/*
 * SQL, private: error ML041 if the session's user is the same person as the
 * one who acted under a recorded name.  Arguments: that name; the OIDs of
 * roles that have acted under it; what was done, as in "opened the request";
 * a hint, or NULL.
 */
Datum
mlops_check_other_person(PG_FUNCTION_ARGS)
{
	Oid			me = GetSessionUserId();
	char	   *my_name = GetUserNameFromId(me, false);
	char	   *name = NameStr(*PG_GETARG_NAME(0));
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(1);
	char	   *deed = text_to_cstring(PG_GETARG_TEXT_PP(2));
	char	   *hint = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	Datum	   *roles;
	bool	   *nulls;
	int			count;

	mlops_caller();
	deconstruct_array(array, OIDOID, sizeof(Oid), true, TYPALIGN_INT, &roles, &nulls, &count);
	for (int i = -1; i < count; i++)
	{
		Oid			role = i < 0 ? InvalidOid : DatumGetObjectId(roles[i]);

		if (i < 0 ? strcmp(my_name, name) != 0 :
			nulls[i] || !OidIsValid(role) || !mlops_same_person(me, role))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_SAME_PERSON),
				 errmsg("maker and checker must be two persons"),
				 i < 0 || role == me ?
				 errdetail("\"%s\" %s.", name, deed) :
				 errdetail("\"%s\" %s, and \"%s\" is a member of \"%s\".", name, deed,
						   is_member_of_role_nosuper(me, role) ? my_name : GetUserNameFromId(role, false),
						   is_member_of_role_nosuper(me, role) ? GetUserNameFromId(role, false) : my_name),
				 hint ? errhint("%s", hint) : 0));
	}
	PG_RETURN_VOID();
}

/*
 * SQL, private: whether two roles are the same person.
 */
Datum
mlops_same_person_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(mlops_same_person(PG_GETARG_OID(0), PG_GETARG_OID(1)));
}
