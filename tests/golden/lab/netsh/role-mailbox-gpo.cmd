@echo off
rem datapath.exchange: this fills a Group Policy object with the rules of mbx4.
rem Run it where Group Policy is managed, with the domain and the name of the object, a backslash between, in double quotes where there are
rem blanks. It deletes the rules of these names from the object before it makes them, so it can run again. Rules of an older plan have other
rem names: empty the object first, or delete those that begin with datapath.exchange. To take it back, unlink the object. RPC ports are not in
rem it.
rem How netsh names the object: https://learn.microsoft.com/windows/security/operating-system-security/network-security/windows-firewall/
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
if "%~1"=="" (echo Usage: role-mailbox-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
set "G=%~1"
set G| "%T%\findstr.exe" /r /x /c:"G=[A-Za-z0-9._-]*\\[A-Za-z0-9 ._-]*" >nul
if errorlevel 1 (echo Usage: role-mailbox-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set store gpo="%G%"
"%T%\netsh.exe" -f "%TEMP%\datapath-role-mailbox.netsh" || (echo DATAPATH-FAILED 1& exit /b 1)
>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in client-access-mailbox-same-site 818a7950"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in remote-desktop 9a7bea31"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in oab-share-pull 3b7e9071"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 1f59042a"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc bffb93d1"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc fde80339"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 21d26dfe"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in availability-cas-to-mailbox 5aff8251"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in mapi-to-mailbox 18dede70"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in hub-to-mailbox-mapi 19edc0cb"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall delete rule name="datapath.exchange in management 4cb9bf9a"
"%T%\netsh.exe" -f "%TEMP%\datapath-role-mailbox.netsh" >nul 2>&1
>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in management 4cb9bf9a" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5985-5986 remoteip=10.77.0.10,fd77::10
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in hub-to-mailbox-mapi 19edc0cb" dir=in action=allow description="hub-to-mailbox-mapi" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.2.21,fd77:0:0:2::21
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in mapi-to-mailbox 18dede70" dir=in action=allow description="mapi-to-mailbox system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.9.81,fd77:0:0:9::81
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in availability-cas-to-mailbox 5aff8251" dir=in action=allow description="availability-cas-to-mailbox cas-to-mailbox-rpc" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.2.51,fd77:0:0:2::51
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 21d26dfe" dir=in action=allow description="recipient-update-rpc system-attendant-as-mapi-client" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.1.41-10.77.1.42,10.77.2.41-10.77.2.42,fd77:0:0:1::41-fd77:0:0:1::42,fd77:0:0:2::41-fd77:0:0:2::42
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc fde80339" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.1.51,10.77.2.51,fd77:0:0:1::51,fd77:0:0:2::51
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc bffb93d1" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.1.21,10.77.2.21,fd77:0:0:1::21,fd77:0:0:2::21
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 1f59042a" dir=in action=allow description="recipient-update-rpc system-attendant-listener um-to-mailbox" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.1.61,fd77:0:0:1::61
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in oab-share-pull 3b7e9071" dir=in action=allow description="oab-share-pull" profile=any protocol=tcp localport=445 remoteip=10.77.1.51,10.77.2.51,fd77:0:0:1::51,fd77:0:0:2::51
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in remote-desktop 9a7bea31" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=10.77.0.10,fd77::10
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall firewall add rule name="datapath.exchange in client-access-mailbox-same-site 818a7950" dir=in action=allow description="client-access-mailbox-same-site" profile=any protocol=any remoteip=10.77.2.51,fd77:0:0:2::51
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set domainprofile logging droppedconnections enable
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set domainprofile state on
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set privateprofile logging droppedconnections enable
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set privateprofile state on
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set publicprofile logging droppedconnections enable
>>"%TEMP%\datapath-role-mailbox.netsh" echo advfirewall set publicprofile state on
"%T%\netsh.exe" -f "%TEMP%\datapath-role-mailbox.netsh"
set "CODE=%errorlevel%"
del /q "%TEMP%\datapath-role-mailbox.netsh" >nul 2>&1
if not "%CODE%"=="0" (echo DATAPATH-FAILED: some of the lines above& exit /b 1)
echo DATAPATH-DONE
exit /b 0
